from .data.generated.make import make_data
from .data.manifest import load_manifest
from .data.scan import scan
from .errors import OptionError, SpatempoError, VideoError
from .evaluation.latency import measure_latency
from .evaluation.longvideo.timeline import timeline
from .evaluation.results.fusion import fuse
from .evaluation.scoring.evaluate import evaluate
from .evaluation.scoring.predict import predict
from .evaluation.scoring.predictor import Predictor
from .learning.train import train
from .models.checkpoint import load, save_checkpoint
from .models.design import register_design
from .models.info import describe
from .models.registry import create_model, list_models
from .runtime.engines.load_engine import load_engine
from .runtime.export import export
from .studies.comparing.compare import compare
from .studies.diagnosing.diagnose import diagnose
from .version import __version__
from .video.source import open_video

__all__ = [
    "OptionError",
    "Predictor",
    "SpatempoError",
    "VideoError",
    "__version__",
    "compare",
    "create_model",
    "describe",
    "diagnose",
    "evaluate",
    "export",
    "fuse",
    "list_models",
    "load",
    "load_engine",
    "load_manifest",
    "make_data",
    "measure_latency",
    "open_video",
    "predict",
    "register_design",
    "save_checkpoint",
    "scan",
    "timeline",
    "train",
]
