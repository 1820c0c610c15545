from .modality import MODALITIES, Modality, modality_of
from .sampling import clip_indices, random_clip_indices
from .spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from .ten_crop import TEN_CROPS, TenCrop
from .tensors import as_tensor, collate_clips
from .views import ArrayFrames, FrameReader, load_views, view_array

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MODALITIES",
    "TEN_CROPS",
    "ArrayFrames",
    "FrameReader",
    "Modality",
    "Preprocess",
    "TenCrop",
    "as_tensor",
    "clip_indices",
    "collate_clips",
    "load_views",
    "modality_of",
    "random_clip_indices",
    "view_array",
]
