from .rewrite import Rewritten, rewrite
from .spec import ExportSpec, StateTensor

__all__ = ["ExportSpec", "Rewritten", "StateTensor", "rewrite"]
