"""Renders one source clip from a seed: background photograph, moving cut-outs, camera, light and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatempo.data.generated.motions import Track, distractor, sway, tracks_of
from spatempo.data.generated.photos import bilinear, random_texture
from spatempo.data.generated.presets import Preset
from spatempo.data.generated.shapes import cut_out


@dataclass(frozen=True)
class Scene:
    """The content of a clip at every frame.

    Attributes:
        background: float32 ``[size + 2 * margin, size + 2 * margin, 3]``, 0 to 255.
        tracks: the objects, from back to front.
        textures: the cut-outs of the objects, float32 ``[S, S, 4]``.
        camera: ``[frames, 2]``, shift of the image down and right, pixels.
        light: ``[frames]``, factor on all pixels.
        noise: float32 ``[frames, size, size, 1]``, added to the pixels; or None.
    """

    background: np.ndarray
    tracks: list[Track]
    textures: list[np.ndarray]
    camera: np.ndarray
    light: np.ndarray
    noise: np.ndarray | None


def render(unit: str, preset: Preset, seed: np.random.SeedSequence, *, calm: bool = False) -> np.ndarray:
    """Renders one source clip.

    Args:
        unit: a pair of ``PAIRS`` (the result is its first class; reversed, its second) or a class of ``CONTROLS``.
        preset: size, number of frames, and strength of noise, shake and light.
        seed: source of all randomness; the same seed gives the same frames.
        calm: render the same clip without noise, shake and changes of light (for tests of the motion).

    Returns:
        uint8 ``[frames, size, size, 3]``, RGB.
    """
    return paint(draw(unit, preset, seed, calm=calm), preset.size)


def draw(unit: str, preset: Preset, seed: np.random.SeedSequence, *, calm: bool = False) -> Scene:
    """Draws all random values of a clip; see ``render``."""
    # separate streams for content and disturbances, so that a calm clip has the same content
    shown, disturbed = (np.random.default_rng(child) for child in _children(seed))
    size, frames = preset.size, preset.frames
    tracks = tracks_of(unit, shown, frames, preset.dark)
    if unit not in ("pop", "hop"):
        tracks = [distractor(shown, frames, preset.dark) for _ in range(preset.distractors)] + tracks
    # sharp enough for the largest size of the object; at most twice too fine for its smallest size
    widest = [
        2.12 * size * float(np.sqrt(track.radius.max() * track.radius[track.alpha > 0].min())) for track in tracks
    ]
    textures = [cut_out(shown, track.look, max(8, round(width))) for track, width in zip(tracks, widest, strict=True)]
    margin = _margin(preset)
    background = random_texture(shown, size + 2 * margin, (0.4, 0.9), preset.contrast)
    # medium brightness, so that bright and dark objects are visible
    background = np.clip(background * np.float32(shown.uniform(85, 135) / background.mean()), 0, 255)
    camera, light, noise = np.zeros((frames, 2)), np.ones(frames), None
    if not calm:
        camera = _shake(disturbed, frames, preset.shake * size)
        light = _light(disturbed, frames, preset.light)
        noise = disturbed.standard_normal((frames, size, size, 1), dtype=np.float32) * np.float32(preset.noise)
    return Scene(background, tracks, textures, camera, light.astype(np.float32), noise)


def _children(seed: np.random.SeedSequence) -> list[np.random.SeedSequence]:
    # not seed.spawn(), which depends on earlier calls: the same seed must always give the same clip
    return [np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, part)) for part in range(2)]


def _margin(preset: Preset) -> int:
    """Width of the background outside the frame, pixels, for the camera shake."""
    return int(np.ceil(3 * preset.shake * preset.size)) + 2


def _shake(rng: np.random.Generator, frames: int, amplitude: float) -> np.ndarray:
    """Shake of a hand-held camera: slow and fast sines with random phase on both axes; at most 3 amplitudes."""
    axes = [sway(rng, frames, 2 * amplitude, (0.5, 1.5)) + sway(rng, frames, amplitude, (2.0, 5.0)) for _ in range(2)]
    return np.stack(axes, axis=1)


def _light(rng: np.random.Generator, frames: int, amplitude: float) -> np.ndarray:
    """Light that slowly increases or decreases with equal probability, and a faster flicker."""
    drift = rng.uniform(-1, 1) * np.linspace(-0.5, 0.5, frames)
    return 1 + amplitude * (drift + sway(rng, frames, 0.25 * rng.uniform(), (1.0, 4.0)) + rng.uniform(-0.25, 0.25))


def paint(scene: Scene, size: int) -> np.ndarray:
    """Renders the scene, each frame independently: uint8 ``[frames, size, size, 3]``."""
    video = np.stack([_shifted(scene.background, size, *shift) for shift in scene.camera])
    for track, texture in zip(scene.tracks, scene.textures, strict=True):
        _composite(video, track, texture, scene.camera)
    video *= scene.light[:, None, None, None]
    if scene.noise is not None:
        video += scene.noise
    np.clip(video + np.float32(0.5), 0, 255, out=video)
    return video.astype(np.uint8)


def _shifted(background: np.ndarray, size: int, down: float, right: float) -> np.ndarray:
    """Returns the middle of the background, shifted with subpixel accuracy (bilinear, from four slices)."""
    margin = (background.shape[0] - size) // 2
    top, left = margin - down, margin - right
    y, x = int(top), int(left)
    fy, fx = np.float32(top - y), np.float32(left - x)
    rows = background[y : y + size + 1, x : x + size + 1]
    rows = rows[:-1] + (rows[1:] - rows[:-1]) * fy if fy else rows[:-1]
    return rows[:, :-1] + (rows[:, 1:] - rows[:, :-1]) * fx if fx else rows[:, :-1]


def _composite(video: np.ndarray, track: Track, texture: np.ndarray, camera: np.ndarray) -> None:
    """Composites one object into float32 ``video`` ``[frames, size, size, 3]``, in place.

    Only a window around the object is computed: each of its pixels is mapped back to a point of the texture.
    """
    size = video.shape[1]
    seen = np.flatnonzero(track.alpha > 0)
    centre_y = (track.y[seen] + 0.5) * size - 0.5 + camera[seen, 0]
    centre_x = (track.x[seen] + 0.5) * size - 0.5 + camera[seen, 1]
    radius = track.radius[seen] * size
    half = int(np.ceil(1.06 * radius.max())) + 1
    corner_y, corner_x = np.round(centre_y).astype(int) - half, np.round(centre_x).astype(int) - half
    window = np.arange(2 * half + 1)
    down = (corner_y[:, None] + window - centre_y[:, None]).astype(np.float32)[:, :, None]
    across = (corner_x[:, None] + window - centre_x[:, None]).astype(np.float32)[:, None, :]
    # shape coordinates run from -1.06 to 1.06 over the texture (shapes.py)
    to_texture = texture.shape[0] / 2.12 / radius
    cos = (np.cos(track.angle[seen]) * to_texture).astype(np.float32)[:, None, None]
    sin = (np.sin(track.angle[seen]) * to_texture).astype(np.float32)[:, None, None]
    middle = np.float32((texture.shape[0] - 1) / 2)
    layer = bilinear(texture, middle + down * cos - across * sin, middle + across * cos + down * sin)
    layer *= track.alpha[seen].astype(np.float32)[:, None, None, None]
    for index, frame in enumerate(seen):
        y, x = int(corner_y[index]), int(corner_x[index])
        rows, columns = (slice(max(start, 0), min(start + window.size, size)) for start in (y, x))
        part = layer[index, max(-y, 0) : max(size - y, 0), max(-x, 0) : max(size - x, 0)]
        under = video[frame, rows, columns]
        under *= 1 - part[..., 3:]
        under += part[..., :3]
