from .blocks import Site, require_sites, residual_sites
from .build import Build, Parts, Plug
from .catalogue import catalogue
from .checkpoint import describe_checkpoint, load, save_checkpoint
from .consensus import Consensus, make_consensus
from .design import DESIGNS, Design, register_design
from .head import Head, LinearHead
from .info import ModelInfo, count_macs, count_params, describe
from .layout import WeightLayout
from .native.convs import Conv2Plus1D, SpaceConv, SpaceTimeConv
from .native.model import NativeNetwork
from .native.video_resnet import VideoResNet
from .published import Published
from .registry import create_model, list_models
from .seams import (
    cut_after,
    plug_after,
    plug_at_block,
    plug_at_conv,
    replace_conv,
    replace_module,
    split_after,
    tap,
)
from .video_model import VideoModel
from .weights import load_pretrained

__all__ = [
    "DESIGNS",
    "Build",
    "Consensus",
    "Conv2Plus1D",
    "Design",
    "Head",
    "LinearHead",
    "ModelInfo",
    "NativeNetwork",
    "Parts",
    "Plug",
    "Published",
    "Site",
    "SpaceConv",
    "SpaceTimeConv",
    "VideoModel",
    "VideoResNet",
    "WeightLayout",
    "catalogue",
    "count_macs",
    "count_params",
    "create_model",
    "cut_after",
    "describe",
    "describe_checkpoint",
    "list_models",
    "load",
    "load_pretrained",
    "make_consensus",
    "plug_after",
    "plug_at_block",
    "plug_at_conv",
    "register_design",
    "replace_conv",
    "replace_module",
    "require_sites",
    "residual_sites",
    "save_checkpoint",
    "split_after",
    "tap",
]
