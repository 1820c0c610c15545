"""Natural textures: random crops of the photographs in the scikit-image package."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from spatempo.errors import SpatempoError

# Part of the installed package, so nothing is downloaded. PNG only, because JPEG decoders round differently.
PHOTOS = ("astronaut", "chelsea", "coffee", "motorcycle_left", "ihc", "brick", "grass", "gravel", "camera")
_FIX = "install them with: pip install 'spatempo[generate]'"


@cache
def pyramids() -> tuple[tuple[np.ndarray, ...], ...]:
    """Returns every photograph at full, half, quarter, ... size: float32 ``[H, W, 3]``, 0 to 255.

    Raises:
        SpatempoError: scikit-image or one of its photographs is missing.
    """
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise SpatempoError(
            f"the generated data set needs the photographs of scikit-image, which is not installed; {_FIX}"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    return tuple(_pyramid(folder / f"{name}.png") for name in PHOTOS)


def _pyramid(path: Path) -> tuple[np.ndarray, ...]:
    try:
        with Image.open(path) as image:
            level = np.asarray(image.convert("RGB"), dtype=np.float32)
    except OSError as error:
        raise SpatempoError(f"{path}: this photograph of scikit-image cannot be read ({error}); {_FIX}") from error
    levels = [level]
    while min(level.shape[:2]) >= 64:
        height, width = (side // 2 * 2 for side in level.shape[:2])
        level = level[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3), dtype=np.float32)
        levels.append(level)
    return tuple(levels)


def bilinear(texture: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Samples ``texture`` ``[H, W, C]`` at pixels ``y``, ``x`` (any shape S), clamped to its borders: ``[*S, C]``."""
    height, width, channels = texture.shape
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top = np.minimum(y.astype(np.intp), height - 2)
    left = np.minimum(x.astype(np.intp), width - 2)
    down = (y - top)[..., None].astype(texture.dtype)
    across = (x - left)[..., None].astype(texture.dtype)
    flat, index = texture.reshape(-1, channels), top * width + left
    corners = [flat.take(index + step, axis=0) for step in (0, 1, width, width + 1)]
    upper, lower = _interpolate(corners[0], corners[1], across), _interpolate(corners[2], corners[3], across)
    return _interpolate(upper, lower, down)


def _interpolate(first: np.ndarray, second: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Interpolates linearly from ``first`` to ``second``; overwrites both (twice as fast as new arrays)."""
    second -= first
    second *= fraction
    first += second
    return first


def random_texture(rng: np.random.Generator, size: int, extent: tuple[float, float], contrast: float) -> np.ndarray:
    """Returns a random piece of a random photograph, rotated, mirrored and with changed colours.

    Args:
        rng: source of randomness.
        size: height and width of the result, pixels.
        extent: smallest and largest side of the piece, relative to the short side of the photograph.
        contrast: factor on the contrast of the photograph.

    Returns:
        float32 ``[size, size, 3]``, about 0 to 255 (not clipped).
    """
    photo = pyramids()[rng.integers(len(PHOTOS))]
    side = rng.uniform(*extent) * min(photo[0].shape[:2])
    # level at which one output pixel is about one pixel of the photograph: no aliasing, no blur
    level = int(np.clip(round(float(np.log2(side / size))), 0, len(photo) - 1))
    source = photo[level]
    step = side / size / 2**level
    height, width = source.shape[:2]
    angle = rng.uniform(-0.5, 0.5)
    mirror = rng.choice((-1.0, 1.0))
    grid = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * np.float32(step)
    across, down = grid[None, :] * np.float32(mirror), grid[:, None]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    reach = min(step * size / 2, min(height, width) / 2)
    y = rng.uniform(reach, height - reach) + across * sin + down * cos
    x = rng.uniform(reach, width - reach) + across * cos - down * sin
    # beyond its edges, the photograph is mirrored
    texture = bilinear(source, height - 1 - np.abs(height - 1 - np.abs(y)), width - 1 - np.abs(width - 1 - np.abs(x)))
    texture = texture[..., rng.permutation(3)] * rng.uniform(0.75, 1.15, 3).astype(np.float32)
    mean = texture.mean((0, 1), dtype=np.float32)
    return mean + (texture - mean) * np.float32(contrast)
