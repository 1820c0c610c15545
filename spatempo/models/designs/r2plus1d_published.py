"""Published figures of the R(2+1)D paper's networks."""

from __future__ import annotations

from spatempo.models.published import Published

_MORE = "mmaction2's model zoo; its MACs count more than convolutions and linear layers"
_VMZ = (
    "computed from the authors' code (VMZ, models.md), which counts the same multiply-accumulates but no parameters of "
    "batch norms"
)
_VMZ_128 = "VMZ's model zoo: the table says 112, but the figure is for its fully convolutional test on 128 x 128"
_TORCHVISION = "torchvision's weight metadata"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "r2d_18": (Published(11_447_568, 1_931_780_096, 8, 112, 400, _VMZ + "; 11,522,832 parameters for 16 frames"),),
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
            _TORCHVISION + ", with mid channels computed per block",
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
}
"""Published figures by model name."""
