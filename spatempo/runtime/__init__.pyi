from .engines.engine import Engine
from .engines.load_engine import load_engine
from .export import Exported, export
from .rewrite import Rewritten, rewrite
from .spec import ExportSpec, StateTensor

__all__ = [
    "Engine",
    "ExportSpec",
    "Exported",
    "Rewritten",
    "StateTensor",
    "export",
    "load_engine",
    "rewrite",
]
