"""Video shuffle, the operator of VSN (Ma, Zhou, Lu, Zhang, "Learning Efficient Video Representation with Video Shuffle
Networks", arXiv 1911.11319, 2019).

The C channels of each of the T frames are split into T equal groups. Frames and groups then swap places ::

    group j of output frame i  =  group i of input frame j

Each output frame contains one group of every input frame, in temporal order, so the next 2D convolution sees the whole
clip. Example with T = 3 (``1b``: frame 1, group b) ::

    1a 1b 1c        1a 2a 3a
    2a 2b 2c   ->   1b 2b 3b
    3a 3b 3c        1c 2c 3c

The shuffle is a transposition, so applying it again restores the frames. Only group i of frame i meets the filters that
were trained for its channels, so a network with shuffles does not start as the image network. Another T gives another
network.

Shapes: clips ``[B, T, C, H, W]`` in and out; T must divide C. Temporal reach: the whole clip, so there is no causal
form. Cost: one copy of the maps, no parameters, no multiplications.
"""

from __future__ import annotations

from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.operators.base import TemporalOperator


def video_shuffle(x: Tensor) -> Tensor:
    """Swaps frames and channel groups. The function is its own inverse.

    Args:
        x: clips, ``[B, T, C, H, W]``.

    Returns:
        ``[B, T, C, H, W]``, in the memory layout of ``x``.

    Raises:
        SpatempoError: T does not divide C.
    """
    frames, channels = x.shape[1], x.shape[2]
    if channels % frames:
        raise SpatempoError(
            f"video shuffle splits the channels into T equal groups, and T = {frames} does not divide C = {channels}: "
            "use a number of frames that does, such as 8"
        )
    c = -1 if x.stride(2) == 1 and channels > 1 else 2  # position of the channels in memory, to keep the layout
    groups = x.movedim(2, c).unflatten(c, (frames, channels // frames))
    g = 2 if c == 2 else -2
    return groups.transpose(1, g).flatten(g, g + 1).contiguous().movedim(c, 2)


class VideoShuffle(TemporalOperator):
    """Video shuffle as a module without parameters. A second module restores the frames."""

    one_frame_count = True  # groups of C / T channels

    @property
    def reach(self) -> None:
        return None

    def mix(self, clip: Tensor) -> Tensor:
        return video_shuffle(clip)
