from .base import Reach, ReplacingOperator, TemporalOperator
from .context import ForwardContext, State
from .gate_shift import GateShift, gate_shift
from .gate_shift_fuse import GateShiftFuse, fusion_weights
from .non_local import NonLocal, non_local_mean
from .shift import TemporalShift, temporal_shift, temporal_shift_step
from .shuffle import VideoShuffle, video_shuffle
from .sth import sth_hybrid, sth_merge
from .sth_conv import SthConv2d, SthOptions
from .temporal_pool import TemporalPool, temporal_pool
from .watch import watch

__all__ = [
    "ForwardContext",
    "GateShift",
    "GateShiftFuse",
    "NonLocal",
    "Reach",
    "ReplacingOperator",
    "State",
    "SthConv2d",
    "SthOptions",
    "TemporalOperator",
    "TemporalPool",
    "TemporalShift",
    "VideoShuffle",
    "fusion_weights",
    "gate_shift",
    "non_local_mean",
    "sth_hybrid",
    "sth_merge",
    "temporal_pool",
    "temporal_shift",
    "temporal_shift_step",
    "video_shuffle",
    "watch",
]
