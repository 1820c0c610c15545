"""Objects: pieces of photographs cut out along a shape, with an edge that is visible on any background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatempo.data.generated.photos import random_texture

# None of these shapes is round, so every motion is visible. All direction classes use the same four, so the shape does
# not reveal the class.
DIRECTION_SHAPES = ("bar", "wedge", "ell", "crescent")

# (shape, tint): the tint is a factor on red, green and blue; None keeps the colours of the photograph.
CONTROL_LOOKS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "red_disc": ("disc", (1.5, 0.35, 0.35)),
    "green_star": ("star", (0.35, 1.4, 0.35)),
    "blue_cross": ("cross", (0.4, 0.55, 1.7)),
    "yellow_ring": ("ring", (1.4, 1.3, 0.25)),
}
ORDER_LOOKS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "square": ("square", (1.5, 0.4, 1.5)),  # magenta
    "triangle": ("triangle", (0.3, 1.4, 1.4)),  # cyan
}


def _box(x: np.ndarray, y: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def signed_distance(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Approximate distance to the outline, negative inside; the shape is (nearly) inside the unit circle."""
    radius = np.hypot(x, y)
    if shape == "disc":
        return radius - 0.88
    if shape == "ring":
        return np.abs(radius - 0.66) - 0.26
    if shape == "square":
        return _box(x, y, 0.72, 0.72)
    if shape == "cross":
        return np.minimum(_box(x, y, 0.95, 0.3), _box(x, y, 0.3, 0.95))
    if shape == "star":
        return radius - (0.66 + 0.28 * np.cos(5 * np.arctan2(y, x)))
    if shape == "triangle":
        return np.maximum(y - 0.5, np.abs(x) * 0.866 - y * 0.5 - 0.48)
    if shape == "bar":
        return _box(x, y, 0.92, 0.4)
    if shape == "wedge":
        return np.maximum(x - 0.8, np.abs(y) * 0.96 - (x + 0.95) * 0.28)
    if shape == "ell":
        return np.minimum(_box(x + 0.36, y, 0.34, 0.85), _box(x - 0.05, y - 0.5, 0.75, 0.35))
    if shape == "crescent":
        return np.maximum(radius - 0.94, 0.62 - np.hypot(x - 0.5, y))
    raise ValueError(f"no shape {shape!r}")


@dataclass(frozen=True)
class Look:
    """Appearance of an object: shape, optional tint of the photograph, and whether it is bright or dark."""

    shape: str
    tint: tuple[float, float, float] | None
    bright: bool


def cut_out(rng: np.random.Generator, look: Look, size: int) -> np.ndarray:
    """Returns the texture of an object.

    Returns:
        float32 ``[size, size, 4]``: red, green, blue (0 to 255, already multiplied by alpha) and alpha (0 to 1). It
        covers -1.06 to 1.06 in shape coordinates, so its border is transparent.
    """
    grid = np.linspace(-1.06, 1.06, size, dtype=np.float32)
    distance = signed_distance(look.shape, grid[None, :], grid[:, None]).astype(np.float32)
    pixel = 2.12 / size
    alpha = np.clip(0.5 - distance / pixel, 0, 1)
    texture = random_texture(rng, size, (0.25, 0.6), contrast=0.75)
    # the same brightness for all, so that objects from any photograph are visible
    texture *= np.float32((195 if look.bright else 50) / max(float(texture.mean()), 1.0))
    if look.tint is not None:
        grey = texture.mean(2, keepdims=True)
        texture = (0.25 * texture + 0.75 * grey) * np.asarray(look.tint, dtype=np.float32)
    # an edge of the opposite tone, like a shadow or a lit edge
    rim = np.clip((distance + 0.12) / max(0.06, pixel), 0, 1)[..., None]
    texture = texture * (1 - rim) + (texture * 0.3 if look.bright else texture * 0.4 + 120) * rim
    colour = np.clip(texture, 0, 255) * alpha[..., None]
    return np.concatenate([colour, alpha[..., None]], axis=2).astype(np.float32)
