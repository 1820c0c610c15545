"""Parameters and MACs that papers and their code print, to hold ours against.

Published figures are for a whole clip of one view and count multiply-accumulates, which the papers call FLOPs. They are
printed to three or four digits; ``exact`` ones were worked out from the released code.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Published(NamedTuple):
    """A published figure.

    Attributes:
        params: parameters.
        macs: multiply-accumulates of one view.
        frames, size, classes: of the network that the figure is for.
        note: where it is printed, and what to mind.
        options: of the design that the figure is for, where they are not the name's own.
        products: whether ``macs`` holds those of products of two activations, as in a non-local block.
    """

    params: float | None
    macs: float | None
    frames: int
    size: int
    classes: int
    note: str
    options: dict[str, Any] | None = None
    products: bool = False


_TSM_TABLE_2 = "TSM paper, table 2 (its 24.3 M parameters are those of 400 classes)"
_MMACTION = "mmaction2's model zoo"
_MORE = f"{_MMACTION}; its MACs count more than convolutions and linear layers"

_NON_LOCAL_PARAMS = "parameters worked out from the released code"
_NON_LOCAL = (
    f"{_MMACTION}, whose 61.3 G hold the two products with the affinity in each non-local block (without them, as our "
    f"MACs are counted, they would be 49.1 G); {_NON_LOCAL_PARAMS}"
)

_VMZ = (
    "worked out from the authors' code (VMZ, models.md), which counts the same multiply-accumulates but leaves batch "
    "norm out of its parameters"
)
_VMZ_128 = "VMZ's model zoo: the table says 112, the figure is for its fully convolutional test on 128 x 128"
_TORCHVISION = "torchvision's weight metadata"

_STH_9 = (
    "STH paper, table 9: attention (table 2: 31 G; 16 frames: 61.3 G); its MACs count more than convolutions and "
    "linear layers"
)
_STH_6 = (
    "STH paper, table 6, which is not consistent: its row p = 1/4 is the plain sum at 174 classes, its others are "
    "0.2-0.5 M off any one count"
)
_STH_ATTENTION = {"p": 1 / 4, "form": "hybrid", "integration": "attention"}
_VSN_50 = "VSN paper, table 2: 24.3 M are those of 400 classes; with the 174 of its Something-Something they are 23.9 M"
_VSN_101 = "VSN paper, table 2: 42.9 M are those of 174 classes, while its ResNet-50 row has those of 400"
_GSM = "GSM paper, table 3: its MACs also count batch norms (2 an element), ReLUs and pooled elements (1 each)"
_GSM_PARAMS = _GSM + "; it prints no parameters, they are worked out from the authors' code"
_GSM_RESNET = "worked out from the code of "


def _sth_table_6(p: float, params: float, macs: float) -> Published:
    return Published(params, macs, 8, 224, 174, _STH_6, {"p": p, "form": "hybrid", "integration": "sum"})


PUBLISHED: dict[str, tuple[Published, ...]] = {
    "tsn_bninception": (Published(10_448_590, 32.73e9, 16, 224, 174, _GSM_PARAMS),),
    "gsm_bninception": (
        Published(10_499_650, 16.46e9, 8, 224, 174, _GSM_PARAMS),
        Published(None, 32.92e9, 16, 224, 174, _GSM),
    ),
    "gsm_inception_v3": (
        Published(22_207_586, 26.85e9, 8, 229, 174, _GSM_PARAMS),
        Published(None, 53.7e9, 16, 229, 174, _GSM),
    ),
    "gsm_resnet50": (
        Published(23_959_710, None, 8, 224, 174, _GSM_RESNET + "E2E-Spot (jhong93/spot)", {"placement": None}),
        Published(23_974_094, None, 8, 224, 174, _GSM_RESNET + "GSF, without its fusion", {"placement": "conv3"}),
    ),
    "gsf_resnet50": (Published(23_974_702, None, 8, 224, 174, _GSM_RESNET + "GSF, whose ratio is 25 %"),),
    "tsn_resnet50": (
        Published(24.3e6, 33e9, 8, 224, 400, _TSM_TABLE_2),
        Published(24.33e6, None, 8, 224, 400, _MMACTION),
    ),
    "tsm_resnet50": (
        Published(24.3e6, 33e9, 8, 224, 400, _TSM_TABLE_2),
        Published(23.87e6, 32.88e9, 8, 224, 174, _MORE),
    ),
    "tsm_resnet50_nl": (
        Published(31_686_096, 61.3e9, 8, 224, 400, _NON_LOCAL, products=True),
        Published(31_223_022, None, 8, 224, 174, _NON_LOCAL_PARAMS),
    ),
    "tsm_resnet101": (Published(None, 62.66e9, 8, 224, 174, _MORE),),
    "tsm_mobilenet_v2": (Published(2.736e6, 3.269e9, 8, 256, 400, _MORE),),
    "r2d_18": (Published(11_447_568, 1_931_780_096, 8, 112, 400, _VMZ + "; of 16 frames 11,522,832"),),
    "fr2d_18": (Published(11_381_712, 27_601_018_880, 16, 112, 400, _VMZ),),
    "r3d_18": (
        Published(33_371_472, 40_696_553_472, 16, 112, 400, _VMZ + " (33.4 M)"),
        Published(33_371_472, 40.697e9, 16, 112, 400, _TORCHVISION),
    ),
    "mc2_18": (Published(11_400_528, 28_545_130_496, 16, 112, 400, _VMZ),),
    "mc3_18": (
        Published(11_695_440, 43_342_635_008, 16, 112, 400, _VMZ),
        Published(11_695_440, 43.343e9, 16, 112, 400, _TORCHVISION),
    ),
    "mc4_18": (Published(12_727_632, 39_951_540_224, 16, 112, 400, _VMZ),),
    "mc5_18": (Published(16_856_400, 39_900_160_000, 16, 112, 400, _VMZ),),
    "rmc2_18": (Published(33_352_656, 39_752_441_856, 16, 112, 400, _VMZ),),
    "rmc3_18": (Published(33_057_744, 24_954_937_344, 16, 112, 400, _VMZ),),
    "rmc4_18": (Published(32_025_552, 29_091_045_376, 16, 112, 400, _VMZ),),
    "rmc5_18": (Published(27_896_784, 30_786_592_768, 16, 112, 400, _VMZ),),
    "r2plus1d_18": (
        Published(33_370_839, 41_496_308_736, 16, 112, 400, _VMZ + " (33.3 M)"),
        Published(
            31_505_325,
            40.519e9,
            16,
            112,
            400,
            _TORCHVISION + ", whose mid channels are worked out by block",
            {"midplanes": "torchvision"},
        ),
    ),
    "r3d_34": (Published(63_681_104, 150_756_204_544, 32, 112, 400, _VMZ),),
    "r2plus1d_34": (
        Published(63_697_175, 152_355_715_072, 32, 112, 400, _VMZ + " (63.6 M); SlowFast's table quotes 152 G"),
        Published(63.6e6, 199.0e9, 32, 128, 400, _VMZ_128),
        Published(63.6e6, 49.8e9, 8, 128, 400, _VMZ_128),
        Published(63.76e6, 53.1e9, 8, 256, 400, _MORE, {"form": "mmaction2"}),
    ),
    "r2plus1d_50": (Published(46_985_057, 115_326_040_064, 32, 112, 400, _VMZ + "; no max-pool after the stem"),),
    "r2plus1d_101": (Published(86_050_785, 176_468_506_624, 32, 112, 400, _VMZ + "; no max-pool after the stem"),),
    "r2plus1d_152": (
        Published(118_226_785, 251_997_435_904, 32, 112, 400, _VMZ + " (118.0 M); no max-pool after the stem"),
        Published(118.0e6, 329.1e9, 32, 128, 400, _VMZ_128 + ", without the max-pool that its PyTorch port has"),
    ),
    "sth_resnet50": (
        Published(23.2e6, 30.6e9, 8, 224, 174, _STH_9, _STH_ATTENTION),
        _sth_table_6(1 / 4, 22.0e6, 30.5e9),
        _sth_table_6(0, 24.4e6, 33.3e9),
        _sth_table_6(1 / 8, 23.1e6, 32.2e9),
        _sth_table_6(1 / 2, 20.3e6, 28.5e9),
    ),
    "vsn_resnet50": (Published(24.3e6, 33e9, 8, 224, 400, _VSN_50),),
    "vsn_resnet101": (Published(42.9e6, 63e9, 8, 224, 174, _VSN_101),),
}
