from .engine import Engine
from .loading import load_engine

__all__ = ["Engine", "load_engine"]
