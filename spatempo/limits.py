"""Allowed range of every numeric setting, used by both the command line and the Python functions.

The limits are far above any sensible value. They turn a typing error (a size in the millions, a learning rate of NaN)
into a one-line error instead of an out-of-memory error or an endless loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from spatempo.errors import SpatempoError


@dataclass(frozen=True)
class Limit:
    """An interval.

    Attributes:
        low, high: bounds, which are allowed unless `open_low` or `open_high` is set.
        whole: only whole numbers are allowed.
        open_low, open_high: the bound itself is not allowed.
        unit: unit of a number that is not whole, for the message.
        note: additional text of the message.
    """

    low: int
    high: int
    whole: bool = True
    open_low: bool = False
    open_high: bool = False
    unit: str = ""
    note: str = ""

    def allows(self, value: object) -> bool:
        """Whether `value` is a number (not text, bool or NaN) within the interval."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else f"a number of {self.unit}" if self.unit else "a number"
        high = f"below {self.high}" if self.open_high else str(self.high)
        bounds = f"above {self.low}, at most {high}" if self.open_low else f"from {self.low} to {high}"
        return f"{kind} {bounds}{self.note}"


_DAY = 86_400  # seconds
_FRACTION = Limit(0, 1, whole=False)
_FRACTION_BELOW_1 = Limit(0, 1, whole=False, open_high=True)
_SCALED = " (for values scaled to 0..1; divide those for 0..255 by 255)"
_FACTOR = Limit(0, 1_000_000, whole=False)

LIMITS: dict[str, Limit] = {
    # clips
    "frames": Limit(1, 4096),
    "size": Limit(1, 4096),
    "stack": Limit(1, 64),
    "batch_size": Limit(1, 65_536),
    "clips": Limit(1, 1000),
    "crops": Limit(1, 10),
    # models
    "num_classes": Limit(1, 1_000_000),
    "classes": Limit(1, 1_000_000),
    "dropout": _FRACTION_BELOW_1,
    "mean": Limit(0, 1, whole=False, note=_SCALED),
    "std": Limit(0, 1, whole=False, open_low=True, note=_SCALED),
    # training
    "epochs": Limit(1, 100_000),
    "minutes": Limit(0, 1_000_000, whole=False, open_low=True),
    "accumulate": Limit(1, 65_536),
    "base_batch": Limit(1, 1_000_000),
    "lr": Limit(0, 10_000, whole=False, open_low=True),
    "base_lr": Limit(0, 10_000, whole=False, open_low=True),
    "weight_decay": _FACTOR,
    "bias_lr": _FACTOR,
    "head_lr": _FACTOR,
    "first_conv_lr": _FACTOR,
    "gamma": _FACTOR,
    "clip_norm": _FACTOR,
    "momentum": _FRACTION_BELOW_1,
    "label_smoothing": _FRACTION_BELOW_1,
    "warmup": _FRACTION_BELOW_1,
    "ema": _FRACTION_BELOW_1,
    "color": _FRACTION_BELOW_1,
    "val_split": _FRACTION_BELOW_1,
    "max_unreadable": _FRACTION,
    "seed": Limit(0, 2**63 - 1),
    "seeds": Limit(1, 1000),
    "tune": Limit(0, 10_000),
    "save_every": Limit(1, 10**9),
    "save_minutes": Limit(0, 1_000_000, whole=False, open_low=True),
    # machine
    "workers": Limit(0, 512),
    "devices": Limit(1, 64),
    "threads": Limit(1, 4096),
    "nodes": Limit(1, 4096),
    # predictions
    "top": Limit(1, 1_000_000),
    # videos
    "timeout": Limit(0, _DAY, whole=False, open_low=True, unit="seconds"),
    "window": Limit(0, _DAY, whole=False, open_low=True, unit="seconds"),
    "stride": Limit(0, _DAY, whole=False, open_low=True, unit="seconds"),
    "min_score": _FRACTION,
    "min_length": Limit(0, _DAY, whole=False, unit="seconds"),
    # generated data
    "clips_per_class": Limit(1, 1_000_000),
}


def check_number(name: str, value: object, *, least: int | None = None) -> None:
    """Raises an error if a setting is outside its range.

    Args:
        name: name of the setting, a key of `LIMITS`.
        value: its value; None (not given) is accepted.
        least: a higher lower bound than that in `LIMITS`.

    Raises:
        SpatempoError: the message contains the setting, its value and the range.
    """
    if value is None:
        return
    limit = LIMITS[name]
    if least is not None:
        limit = Limit(least, limit.high, limit.whole)
    if not limit.allows(value):
        raise SpatempoError(f"`{name}={value!r}`: give {limit}")
