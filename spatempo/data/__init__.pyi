from .cache import FrameCache
from .dataset import ClipDataset, collate
from .flip import direction_flip_map, mirror_name
from .generated.make import make_data
from .manifest import Manifest, Sample, load_manifest
from .scan import ScanResult, write_manifest
from .transforms import TrainTransform

__all__ = [
    "ClipDataset",
    "FrameCache",
    "Manifest",
    "Sample",
    "ScanResult",
    "TrainTransform",
    "collate",
    "direction_flip_map",
    "load_manifest",
    "make_data",
    "mirror_name",
    "write_manifest",
]
