from .export import Exported, export
from .rewrite import Rewritten, rewrite
from .spec import ExportSpec, StateTensor

__all__ = ["ExportSpec", "Exported", "Rewritten", "StateTensor", "export", "rewrite"]
