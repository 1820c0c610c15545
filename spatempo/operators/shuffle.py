"""Video shuffle, of VSN (Ma, Zhou, Lu, Zhang, "Learning Efficient Video Representation with Video Shuffle Networks",
arXiv 1911.11319, 2019).

The C channels of each of T frames are cut into T equal groups, and frames and groups change places ::

    group j of frame i of the output  =  group i of frame j of the input

so that every new frame holds one group of every old frame, in the order of time, and the 2D convolution that follows
sees the whole clip at once. T = 3, three groups a frame (``1b``: frame 1, group b) ::

    1a 1b 1c        1a 2a 3a
    2a 2b 2c   ->   1b 2b 3b
    3a 3b 3c        1c 2c 3c

It is a transposition, so the same operation restores the frames. Shapes: clips ``[B, T, C, H, W]`` in and out; T must
divide C. Reach: the whole clip, of which a new frame is a part; hence no causal form. Cost: one copy of the maps, no
parameters, no multiplications. Only group i of frame i meets the filters that were trained for its channels, so a
network with shuffles does not start as the image network, and with another T it is another network.
"""

from __future__ import annotations

from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.operators.base import TemporalOperator


def video_shuffle(x: Tensor) -> Tensor:
    """Lets frames and groups of channels change places; its own inverse.

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
            f"video shuffle cuts channels into as many equal groups as there are frames, and T = {frames} does not "
            f"divide C = {channels}: take a number of frames that does, such as 8"
        )
    c = -1 if x.stride(2) == 1 and channels > 1 else 2  # where the channels lie in memory, so that the layout stays
    groups = x.movedim(2, c).unflatten(c, (frames, channels // frames))
    g = 2 if c == 2 else -2
    return groups.transpose(1, g).flatten(g, g + 1).contiguous().movedim(c, 2)


class VideoShuffle(TemporalOperator):
    """The shuffle as a module, without parameters; the restore is another one."""

    @property
    def reach(self) -> None:
        return None

    def mix(self, clip: Tensor) -> Tensor:
        return video_shuffle(clip)
