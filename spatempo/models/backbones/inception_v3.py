"""InceptionV3 (Szegedy et al., CVPR 2016) in the Caffe layout of TSN's and GSM's authors.

Unlike torchvision's and timm's, it has a bias on every convolution, pooling that rounds up, max pooling in the last
block, and the layer names of the published weight files (``mixed_conv_Conv2D``, ``mixed_conv_batchnorm``, ...). It is
for images of 229 x 229, not 299: 21.8 M parameters, 3.33 GMACs.
"""

from __future__ import annotations

from spatempo.models.backbones.caffe_layers import CaffeNet, Conv, Fork, Pool

THREE, FIVE = (3, 3), (5, 5)
TALL, WIDE = (7, 1), (1, 7)  # height, width


def _same(name: str, channels: int, kernel: tuple[int, int]) -> Conv:
    """A convolution whose output has the size of its input."""
    return Conv(name, channels, kernel, 1, (kernel[0] // 2, kernel[1] // 2))


def _a(at: str, proj: int) -> Fork:
    """A block on 27 x 27 maps with the branches 1x1, 5x5, two 3x3, pooling."""
    branches = (
        (Conv(f"{at}_conv", 64),),
        (Conv(f"{at}_tower_conv", 48), _same(f"{at}_tower_conv_1", 64, FIVE)),
        (
            Conv(f"{at}_tower_1_conv", 64),
            _same(f"{at}_tower_1_conv_1", 96, THREE),
            _same(f"{at}_tower_1_conv_2", 96, THREE),
        ),
        (Pool(f"{at}_tower_2_pool", "mean", 1, 1), Conv(f"{at}_tower_2_conv", proj)),
    )
    return Fork(branches, f"{at}_join")


def _to_b(at: str) -> Fork:
    """The block from 27 x 27 to 13 x 13 maps."""
    branches = (
        (Conv(f"{at}_conv", 384, THREE, 2),),
        (
            Conv(f"{at}_tower_conv", 64),
            _same(f"{at}_tower_conv_1", 96, THREE),
            Conv(f"{at}_tower_conv_2", 96, THREE, 2),
        ),
        (Pool(f"{at}_pool", "max"),),
    )
    return Fork(branches, f"{at}_join")


def _b(at: str, mid: int) -> Fork:
    """A block on 13 x 13 maps with the branches 1x1, a factorised 7x7, two factorised 7x7, pooling."""
    branches = (
        (Conv(f"{at}_conv", 192),),
        (
            Conv(f"{at}_tower_conv", mid),
            _same(f"{at}_tower_conv_1", mid, TALL),
            _same(f"{at}_tower_conv_2", 192, WIDE),
        ),
        (
            Conv(f"{at}_tower_1_conv", mid),
            _same(f"{at}_tower_1_conv_1", mid, WIDE),
            _same(f"{at}_tower_1_conv_2", mid, TALL),
            _same(f"{at}_tower_1_conv_3", mid, WIDE),
            _same(f"{at}_tower_1_conv_4", 192, TALL),
        ),
        (Pool(f"{at}_tower_2_pool", "mean", 1, 1), Conv(f"{at}_tower_2_conv", 192)),
    )
    return Fork(branches, f"{at}_join")


def _to_c(at: str) -> Fork:
    """The block from 13 x 13 to 6 x 6 maps."""
    branches = (
        (Conv(f"{at}_tower_conv", 192), Conv(f"{at}_tower_conv_1", 320, THREE, 2)),
        (
            Conv(f"{at}_tower_1_conv", 192),
            _same(f"{at}_tower_1_conv_1", 192, TALL),
            _same(f"{at}_tower_1_conv_2", 192, WIDE),
            Conv(f"{at}_tower_1_conv_3", 192, THREE, 2),
        ),
        (Pool(f"{at}_pool", "max"),),
    )
    return Fork(branches, f"{at}_join")


def _c(at: str, pool: str) -> Fork:
    """A block on 6 x 6 maps: 1x1, two branches that end with a parallel 3x1 and 1x3, pooling."""

    def ends(tower: str) -> Fork:
        return Fork(((_same(f"{tower}_conv", 384, (3, 1)),), (_same(f"{tower}_conv_1", 384, (1, 3)),)))

    branches = (
        (Conv(f"{at}_conv", 320),),
        (Conv(f"{at}_tower_conv", 384), ends(f"{at}_tower_mixed")),
        (
            Conv(f"{at}_tower_1_conv", 448),
            _same(f"{at}_tower_1_conv_1", 384, THREE),
            ends(f"{at}_tower_1_mixed"),
        ),
        (Pool(f"{at}_tower_2_pool", pool, 1, 1), Conv(f"{at}_tower_2_conv", 192)),
    )
    return Fork(branches, f"{at}_join")


class InceptionV3(CaffeNet):
    """Images ``[N, 3, H, W]`` to maps ``[N, 2048, H', W']``, 6 x 6 for 229 x 229.

    H and W from 69 to 76, ..., 229 to 236.
    """

    conv_name, norm_name = "{}_Conv2D", "{}_batchnorm"
    image_size, first_size = 229, 69
    layers = (
        Conv("conv", 32, THREE, 2),
        Conv("conv_1", 32, THREE),
        _same("conv_2", 64, THREE),
        Pool("pool", "max"),
        Conv("conv_3", 80),
        Conv("conv_4", 192, THREE),
        Pool("pool_1", "max"),
        _a("mixed", 32),
        _a("mixed_1", 64),
        _a("mixed_2", 64),
        _to_b("mixed_3"),
        _b("mixed_4", 128),
        _b("mixed_5", 160),
        _b("mixed_6", 160),
        _b("mixed_7", 192),
        _to_c("mixed_8"),
        _c("mixed_9", "mean"),
        _c("mixed_10", "max"),
    )
