"""Temporal extents of 3D layers, compared with values computed by hand."""

from __future__ import annotations

import pytest
from torch import nn

from spatempo.models.native.reach import Extent, temporal_extent


class Parallel(nn.Module):
    """Two parallel branches."""

    def __init__(self, one: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.one, self.other = one, other

    def temporal_paths(self) -> list[list[nn.Module]]:
        return [[self.one], [self.other]]


def conv(kernel: int, stride: int = 1, padding: int | None = None, dilation: int = 1) -> nn.Conv3d:
    padding = kernel // 2 * dilation if padding is None else padding
    return nn.Conv3d(1, 1, (kernel, 1, 1), (stride, 1, 1), (padding, 0, 0), (dilation, 1, 1))


@pytest.mark.parametrize(
    ("module", "want"),
    [
        (nn.Linear(3, 3), Extent(0, 0, 1)),
        (conv(3), Extent(1, 1, 1)),
        (conv(5, stride=2), Extent(2, 2, 2)),
        (conv(3, dilation=2), Extent(2, 2, 1)),
        (conv(3, padding=0), Extent(0, 2, 1)),  # output 0 belongs to the first frame of the first kernel position
        (nn.MaxPool3d((2, 1, 1)), Extent(0, 1, 2)),
        # 1 + 2 x 1 in each direction: neighbouring inputs of the second convolution are two frames apart
        (nn.Sequential(conv(3, stride=2), nn.ReLU(), conv(3)), Extent(3, 3, 2)),
        (Parallel(conv(3), conv(5)), Extent(2, 2, 1)),
        (Parallel(nn.Sequential(conv(3), conv(3), conv(3)), conv(5)), Extent(3, 3, 1)),
        (nn.Sequential(Parallel(conv(3), conv(5)), conv(3)), Extent(3, 3, 1)),
    ],
)
def test_extents_by_hand(module: nn.Module, want: Extent):
    assert temporal_extent(module) == want


def test_a_module_without_temporal_paths_is_refused():
    class NoPaths(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(3)

    with pytest.raises(TypeError, match=r"NoPaths has temporal layers and no temporal_paths\(\)"):
        temporal_extent(nn.Sequential(NoPaths()))
    with pytest.raises(TypeError, match="different temporal strides"):
        temporal_extent(Parallel(conv(3), conv(3, stride=2)))
