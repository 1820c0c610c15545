"""BN-Inception, the Inception-v2 of the batch norm paper (Ioffe, Szegedy, ICML 2015), as used by TSN, TSM and GSM.

Layers have the names of the Caffe network (``inception_3a_1x1``, ``inception_3a_1x1_bn``, ...), as in all published
weight files: TSN's, TSM's, GSM's and Cadene's. 10.3 M parameters, 2.03 GMACs for an image of 224 x 224.
"""

from __future__ import annotations

from spatempo.models.backbones.caffe_layers import CaffeNet, Conv, Fork, Pool


def _block(name: str, one: int, three: tuple[int, int], double: tuple[int, int], pool: str, proj: int) -> Fork:
    """An inception block of parallel branches: 1x1; 1x1 and 3x3; 1x1 and two 3x3; pooling.

    Args:
        name: for example ``3a``.
        one: channels of the 1x1 branch; 0 (no such branch) in blocks with stride 2.
        three: channels of the reduction and of the convolution of the 3x3 branch.
        double: channels of the reduction and of the convolutions of the branch with two 3x3.
        pool: ``"mean"`` or ``"max"``.
        proj: channels of the 1x1 convolution after the pooling; 0 for none.
    """
    at, s = f"inception_{name}", 1 if one else 2
    pooling = Pool(f"{at}_pool", pool, s, 1 if one else 0)
    branches = (
        *([(Conv(f"{at}_1x1", one),)] if one else []),
        (Conv(f"{at}_3x3_reduce", three[0]), Conv(f"{at}_3x3", three[1], (3, 3), s, (1, 1))),
        (
            Conv(f"{at}_double_3x3_reduce", double[0]),
            Conv(f"{at}_double_3x3_1", double[1], (3, 3), 1, (1, 1)),
            Conv(f"{at}_double_3x3_2", double[1], (3, 3), s, (1, 1)),
        ),
        (pooling, Conv(f"{at}_pool_proj", proj)) if proj else (pooling,),
    )
    return Fork(branches, f"{at}_output")


class BNInception(CaffeNet):
    """Images ``[N, 3, H, W]`` to maps ``[N, 1024, H/32, W/32]``; H and W from 31 to 38, ..., 223 to 230."""

    norm_name = "{}_bn"
    first_size = 31
    layers = (
        Conv("conv1_7x7_s2", 64, (7, 7), 2, (3, 3)),
        Pool("pool1_3x3_s2", "max"),
        Conv("conv2_3x3_reduce", 64),
        Conv("conv2_3x3", 192, (3, 3), 1, (1, 1)),
        Pool("pool2_3x3_s2", "max"),
        _block("3a", 64, (64, 64), (64, 96), "mean", 32),
        _block("3b", 64, (64, 96), (64, 96), "mean", 64),
        _block("3c", 0, (128, 160), (64, 96), "max", 0),
        _block("4a", 224, (64, 96), (96, 128), "mean", 128),
        _block("4b", 192, (96, 128), (96, 128), "mean", 128),
        _block("4c", 160, (128, 160), (128, 160), "mean", 128),
        _block("4d", 96, (128, 192), (160, 192), "mean", 128),
        _block("4e", 0, (128, 192), (192, 256), "max", 0),
        _block("5a", 352, (192, 320), (160, 224), "mean", 128),
        _block("5b", 352, (192, 320), (192, 224), "max", 128),
    )
