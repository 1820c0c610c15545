"""Classes and presets of the generated data set, from a few clips to many thousands.

This module only defines numbers. It does not render anything and does not import torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from spatempo.errors import SpatempoError
from spatempo.limits import check_number

SPLITS = ("train", "val", "test")

# Each pair renders one source clip per two files: the first class is the clip, the second is its exact time reversal.
# The position of a line is part of the seed of its clips, so add new pairs and controls at the end.
PAIRS: dict[str, tuple[str, str, str]] = {  # pair: (family, class of the source, class of its reversal)
    "right_left": ("direction", "move_right", "move_left"),
    "down_up": ("direction", "move_down", "move_up"),
    "in_out": ("direction", "approach", "recede"),
    "turn": ("direction", "turn_clockwise", "turn_counterclockwise"),
    "appear": ("direction", "appear", "disappear"),
    "pop": ("order", "square_then_triangle", "triangle_then_square"),
    "hop": ("order", "square_hops_then_triangle", "triangle_hops_then_square"),
}
# A single frame is enough for these: shape and tint of the object (shapes.py), with any of the motions above.
CONTROLS: tuple[str, ...] = ("red_disc", "green_star", "blue_cross", "yellow_ring")


@dataclass(frozen=True)
class Preset:
    """One size of the data set.

    Attributes:
        name: name of the preset.
        size: height and width of the videos, pixels; even.
        frames: frames of every clip. Not a multiple of 16, so that the centre rule of segment sampling takes the same
            frames from a clip and from its reversal, for 8, 16, 32, ... segments (see docs/generated-data.md).
        fps: frames per second in the video files.
        pairs: pairs of ``PAIRS`` that are used.
        controls: classes of ``CONTROLS`` that are used.
        train, val, test: clips per class in each split.
        noise: standard deviation of the sensor noise, in grey levels of 255.
        shake: amplitude of the camera shake, in frame widths.
        light: largest relative change of the light intensity.
        contrast: factor on the contrast of the background photograph; lower values make objects more visible.
        dark: fraction of the objects of the direction family that are dark with a bright edge, instead of bright with
            a dark edge. A mixture of both is much slower to learn.
        distractors: number of additional objects that do not act, in all families except ``order``.
        qp: quantiser of the encoder (writer.py).
    """

    name: str
    size: int = 64
    frames: int = 24
    fps: int = 12
    pairs: tuple[str, ...] = tuple(PAIRS)
    controls: tuple[str, ...] = CONTROLS
    train: int = 120
    val: int = 10
    test: int = 40
    noise: float = 3.0
    shake: float = 0.006
    light: float = 0.12
    contrast: float = 0.35
    dark: float = 0.0
    distractors: int = 0
    qp: int = 24

    @property
    def classes(self) -> tuple[str, ...]:
        """All class names, with the two of a pair next to each other. The index of a name is its label."""
        return tuple(name for pair in self.pairs for name in PAIRS[pair][1:]) + self.controls

    def clips(self, split: str) -> int:
        """Returns the number of clips per class in ``split``."""
        return {"train": self.train, "val": self.val, "test": self.test}[split]

    def to_dict(self) -> dict[str, object]:
        """Returns all fields as JSON types, as saved in ``dataset.json`` and used to compare two renderings."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


_TINY = Preset("tiny", train=3, val=1, test=2, pairs=("right_left", "pop"), controls=("red_disc", "blue_cross"))
# Turning is in the larger presets only: at the 48 pixels of the demo, it needs more training than a demo has time for.
_DEMO = Preset("demo", pairs=("right_left", "down_up", "in_out", "appear", "pop"), train=140)
# Only classes that neighbouring frames distinguish, with less disturbance: for training all designs in one run
# (spatempo/studies/designs.py). Networks with only one temporal layer need the lower disturbance.
_DIRECTION = Preset(
    "direction",
    pairs=("right_left", "down_up", "in_out", "appear"),
    controls=(),
    train=200,
    noise=2.0,
    light=0.05,
    contrast=0.25,
)
# The other two families, with the same low disturbance, for the experiments (spatempo/studies/experiments.py).
_ORDER = replace(_DIRECTION, name="order", pairs=("pop", "hop"), val=20, test=80)
_CONTROL = replace(_DIRECTION, name="control", pairs=(), controls=CONTROLS, val=20, test=80)
_STANDARD = Preset(
    "standard",
    size=128,
    frames=40,
    train=300,
    val=30,
    test=100,
    shake=0.015,
    light=0.2,
    contrast=0.6,
    dark=0.25,
    distractors=1,
)
_LARGE = replace(_STANDARD, name="large", size=224, train=800, val=50, test=150, distractors=2, qp=26)

PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (_TINY, _DEMO, _DIRECTION, _ORDER, _CONTROL, _STANDARD, _LARGE)
}


def get_preset(
    name: str, *, clips_per_class: int | None = None, size: int | None = None, frames: int | None = None
) -> Preset:
    """Returns a preset, with changes.

    Args:
        name: one of ``PRESETS``.
        clips_per_class: training clips per class; validation and test change in proportion.
        size: height and width, pixels; even, at least 32.
        frames: frames of each clip; at least 24, and not a multiple of 16 (see ``Preset``).

    Raises:
        SpatempoError: an unknown name or an invalid number.
    """
    if name not in PRESETS:
        raise SpatempoError(f"there is no preset {name!r} of the generated data set; choose from {', '.join(PRESETS)}")
    preset = PRESETS[name]
    if clips_per_class is not None:
        check_number("clips_per_class", clips_per_class)
        fraction = clips_per_class / preset.train
        val, test = (max(1, round(fraction * count)) for count in (preset.val, preset.test))
        preset = replace(preset, train=clips_per_class, val=val, test=test)
    check_number("size", size)
    check_number("frames", frames)
    if size is not None:
        if size < 32 or size % 2:
            raise SpatempoError(f"size={size} cannot be rendered; give an even number of pixels, at least 32")
        preset = replace(preset, size=size)
    if frames is not None:
        if frames < 24 or frames % 16 == 0:
            raise SpatempoError(
                f"frames={frames} is not possible: it must be at least 24 and not a multiple of 16, so that 8 and 16 "
                "segments take the same frames from a clip and its reversal; give for example 24, 25, 40 or 72"
            )
        preset = replace(preset, frames=frames)
    return preset
