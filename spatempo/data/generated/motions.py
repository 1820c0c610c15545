"""Positions of all objects at every frame: one function per pair of classes, and the timetable of the order family.

Lengths are in frame widths, the centre of the frame is (0, 0), x points right and y down, angles are in radians and
increase clockwise on the screen. Each function returns the motion of the first class of a pair; the second class is its
reversal. Everything else (small sways, changes of speed) has a distribution that time reversal does not change, so a
class and its reversal differ only in the motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spatempo.data.generated.shapes import CONTROL_LOOKS, DIRECTION_SHAPES, ORDER_LOOKS, Look


@dataclass(frozen=True)
class Track:
    """One object over time; every array is float ``[frames]``."""

    look: Look
    x: np.ndarray
    y: np.ndarray
    angle: np.ndarray
    radius: np.ndarray
    alpha: np.ndarray


Motion = Callable[[np.random.Generator, int, Look], Track]


def sway(
    rng: np.random.Generator, frames: int, amplitude: float, cycles: tuple[float, float] = (0.5, 2.0)
) -> np.ndarray:
    """Returns a sine with random phase, ``[frames]``; its reversal is equally likely."""
    time = np.linspace(-0.5, 0.5, frames)
    return amplitude * np.sin(2 * np.pi * (rng.uniform(*cycles) * time + rng.uniform()))


def pace(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Returns values from -0.5 to 0.5, ``[frames]``: constant speed, or faster or slower in the middle; monotonic."""
    time = np.linspace(-0.5, 0.5, frames)
    return time + rng.uniform(-0.4, 0.4) * np.sin(2 * np.pi * time) / (2 * np.pi)


def random_look(rng: np.random.Generator, dark: float) -> Look:
    """Draws the appearance of an object of the direction family, with the same distribution for all its classes."""
    return Look(str(rng.choice(DIRECTION_SHAPES)), None, bool(rng.random() >= dark))


def _track(rng: np.random.Generator, frames: int, look: Look, **given: np.ndarray | float) -> Track:
    """Creates a track with the given values, and small random sways in all others."""
    values = {
        "x": rng.uniform(-0.25, 0.25) + sway(rng, frames, 0.015),
        "y": rng.uniform(-0.25, 0.25) + sway(rng, frames, 0.015),
        "angle": rng.uniform(0, 2 * np.pi) + sway(rng, frames, 0.12),
        "radius": rng.uniform(0.2, 0.26) * (1 + sway(rng, frames, 0.04)),
        "alpha": 1.0,
    } | given
    return Track(look, **{key: np.broadcast_to(np.asarray(value, float), (frames,)) for key, value in values.items()})


def _path(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Returns a straight path of 0.3 to 0.5 frame widths, increasing, at a position that keeps the object visible.

    It is so short that starts and ends overlap: the position of an object does not reveal the time in the clip.
    """
    length = rng.uniform(0.3, 0.5)
    return rng.uniform(-1, 1) * (0.46 - length / 2) + length * pace(rng, frames)


def move_right(rng: np.random.Generator, frames: int, look: Look) -> Track:
    """The object moves to the right through a part of the frame."""
    return _track(rng, frames, look, x=_path(rng, frames))


def move_down(rng: np.random.Generator, frames: int, look: Look) -> Track:
    """The object moves down through a part of the frame."""
    return _track(rng, frames, look, y=_path(rng, frames))


def approach(rng: np.random.Generator, frames: int, look: Look) -> Track:
    """The object grows by a factor of 2 to 2.8, at a nearly constant rate."""
    middle, ratio = rng.uniform(0.2, 0.26), rng.uniform(2.0, 2.8)
    return _track(rng, frames, look, radius=middle * ratio ** pace(rng, frames))


def turn_clockwise(rng: np.random.Generator, frames: int, look: Look) -> Track:
    """The object turns by 150 to 270 degrees about a point inside it or at its edge, like a hand of a clock.

    The point is not its centre, because a bar turned about its centre looks the same after 180 degrees. Two random
    frames of neighbouring segments can be 80 degrees apart, close to the 90 at which the direction is ambiguous.
    """
    turned = rng.uniform(0, 2 * np.pi) + np.radians(rng.uniform(150, 270)) * pace(rng, frames)
    (x, y), arm = rng.uniform(-0.22, 0.22, 2), rng.uniform(0.12, 0.18)
    angle = turned + rng.uniform(0, 2 * np.pi)
    return _track(rng, frames, look, x=x + arm * np.cos(turned), y=y + arm * np.sin(turned), angle=angle)


def appear(rng: np.random.Generator, frames: int, look: Look) -> Track:
    """The object appears, within two or three frames, somewhere in the middle of the clip."""
    start, ramp = rng.uniform(0.3, 0.7) * (frames - 1), rng.uniform(2.0, 3.0)
    return _track(rng, frames, look, alpha=np.clip((np.arange(frames) - start) / ramp + 0.5, 0, 1))


_DIRECTION: dict[str, Motion] = {
    "right_left": move_right,
    "down_up": move_down,
    "in_out": approach,
    "turn": turn_clockwise,
    "appear": appear,
}
_ALWAYS_VISIBLE = (move_right, move_down, approach, turn_clockwise)


@dataclass(frozen=True)
class Timetable:
    """Two events of ``event`` frames that start at frames ``first`` and ``second``; all other frames are still.

    An event lasts an eighth of the clip. There are at least ``gap`` still frames between the events, and at least
    ``gap - 1`` at the start and the end of the clip. So no window of up to ``gap`` frames contains both events, or an
    event together with an end of the clip, which would reveal the time.
    """

    event: int
    gap: int
    first: int
    second: int

    @classmethod
    def draw(cls, rng: np.random.Generator, frames: int) -> Timetable:
        """Distributes the remaining frames at random over start, gap and end."""
        event, gap = frames // 8, frames // 4
        spare = frames - 2 * event - gap - 2 * (gap - 1)
        before, until = np.sort(rng.integers(0, spare + 1, 2)).tolist()
        first = gap - 1 + before
        return cls(event, gap, first, first + event + gap + until - before)

    def bump(self, frames: int, start: int) -> np.ndarray:
        """Returns ``[frames]``: 0 except in the event, where it rises to 1 and falls; equal to its own reversal."""
        from_middle = np.abs(np.arange(frames) - (start + (self.event - 1) / 2)) * 2 / self.event
        return np.where(from_middle < 1, 1 - from_middle**2 / 2, 0.0)


def _still(rng: np.random.Generator, frames: int, name: str, side: int, radius: float) -> Track:
    """The square or the triangle, not moving, in the left (-1) or right (1) half."""
    shape, tint = ORDER_LOOKS[name]
    x, y, angle = side * rng.uniform(0.12, 0.24), rng.uniform(-0.15, 0.15), rng.uniform(-0.25, 0.25)
    return _track(rng, frames, Look(shape, tint, True), x=x, y=y, angle=angle, radius=radius)


def pop(rng: np.random.Generator, frames: int) -> list[Track]:
    """A square appears and disappears; much later, a triangle does."""
    times = Timetable.draw(rng, frames)
    tracks = []
    for name, start in (("square", times.first), ("triangle", times.second)):
        bump = times.bump(frames, start)
        track = _still(rng, frames, name, int(rng.choice((-1, 1))), 0.0)
        radius = rng.uniform(0.24, 0.3) * bump
        tracks.append(Track(track.look, track.x, track.y, track.angle, radius, (bump > 0).astype(float)))
    return tracks


def hop(rng: np.random.Generator, frames: int) -> list[Track]:
    """A square and a triangle are next to each other; the square hops and returns; much later, the triangle does."""
    times = Timetable.draw(rng, frames)
    side = int(rng.choice((-1, 1)))
    tracks = []
    for name, start, half in (("square", times.first, side), ("triangle", times.second, -side)):
        track = _still(rng, frames, name, half, rng.uniform(0.16, 0.2))
        lift = rng.choice((-1, 1)) * rng.uniform(0.15, 0.2) * times.bump(frames, start)
        tracks.append(Track(track.look, track.x, track.y + lift, track.angle, track.radius, track.alpha))
    return tracks


def control(rng: np.random.Generator, frames: int, name: str) -> list[Track]:
    """The object of a control class, visible in every frame, with the motion of a random direction class."""
    motion = _ALWAYS_VISIBLE[rng.integers(len(_ALWAYS_VISIBLE))]
    shape, tint = CONTROL_LOOKS[name]
    track = motion(rng, frames, Look(shape, tint, True))
    if rng.integers(2):
        track = Track(track.look, *(getattr(track, key)[::-1] for key in ("x", "y", "angle", "radius", "alpha")))
    return [track]


def tracks_of(unit: str, rng: np.random.Generator, frames: int, dark: float = 0.0) -> list[Track]:
    """Returns the objects of one source clip; ``unit`` is a pair or a control class, ``dark`` is as in ``Preset``."""
    if unit == "pop":
        return pop(rng, frames)
    if unit == "hop":
        return hop(rng, frames)
    if unit in _DIRECTION:
        return [_DIRECTION[unit](rng, frames, random_look(rng, dark))]
    return control(rng, frames, unit)


def distractor(rng: np.random.Generator, frames: int, dark: float) -> Track:
    """An object that only sways, smaller than the main objects."""
    x, y = rng.uniform(-0.42, 0.42, 2)
    return _track(rng, frames, random_look(rng, dark), x=x, y=y, radius=rng.uniform(0.07, 0.11))
