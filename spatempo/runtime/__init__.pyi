from .engines.engine import Engine
from .engines.load_engine import load_engine
from .rewrite import Rewritten, rewrite
from .spec import ExportSpec, StateTensor

__all__ = ["Engine", "ExportSpec", "Rewritten", "StateTensor", "load_engine", "rewrite"]
