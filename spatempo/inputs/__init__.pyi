from .sampling import clip_indices, random_clip_indices
from .spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess, collate_clips
from .ten_crop import TEN_CROPS, TenCrop
from .views import ArrayFrames, FrameReader, load_views

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "TEN_CROPS",
    "ArrayFrames",
    "FrameReader",
    "Preprocess",
    "TenCrop",
    "clip_indices",
    "collate_clips",
    "load_views",
    "random_clip_indices",
]
