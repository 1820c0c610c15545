"""Strips of frames of one video with the predictions, optionally with heat maps and the influence of each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import matplotlib
import numpy as np

from spatempo.errors import SpatempoError
from spatempo.report.figures import png_data
from spatempo.report.html import prediction_list, section


@dataclass
class Strip:
    """Frames of one video and the predictions of the models.

    Attributes:
        title: text above the frames.
        frames: uint8 ``[T, H, W, 3]``, RGB; small frames (64-128 pixels) keep the page small.
        truth: true class.
        predictions: model -> predicted class.
        heat: ``[T, H, W]``, 0 to 1: heat map, drawn over the frames in a second row.
        drops: ``[T]``: drop of the score of the true class when this frame is replaced; a bar and a number per frame.
    """

    title: str
    frames: np.ndarray
    truth: str
    predictions: Mapping[str, str]
    heat: np.ndarray | None = None
    drops: Sequence[float] | None = None


def strips_section(title: str, caption: str, strips: Sequence[Strip]) -> str:
    """A section with the strips below each other; empty if there are none."""
    return section(title, caption, "".join(_strip(strip) for strip in strips)) if strips else ""


def overlay(frame: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Draws a heat map over a grey image: uint8 ``[H, W, 3]`` and ``[H, W]`` to uint8 ``[H, W, 3]``.

    A heat of 0 shows the grey image, a heat of 1 mostly the colour of the heat map.
    """
    grey = (frame @ np.array([0.299, 0.587, 0.114]))[..., None].repeat(3, 2)  # luma of ITU-R BT.601
    colors = 255 * matplotlib.colormaps["inferno"](0.25 + 0.7 * heat)[..., :3]
    weight = 0.8 * np.clip(heat, 0, 1)[..., None]
    return np.clip((1 - weight) * grey + weight * colors, 0, 255).astype(np.uint8)


def _strip(strip: Strip) -> str:
    frames = np.asarray(strip.frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise SpatempoError(
            f"report: the frames of strip {strip.title!r} are {frames.dtype} {list(frames.shape)}; "
            "give uint8 [T, H, W, 3]"
        )
    n = len(frames)
    return (
        f"<div class='strip'><h3>{escape(strip.title)}</h3>"
        f"<div class='frames' style='--n: {n}; --half: {n if n <= 5 else -(-n // 2)}'>"
        f"{''.join(_cell(strip, t) for t in range(n))}</div>"
        f"{prediction_list(strip.truth, list(strip.predictions.items())) if strip.predictions else ''}</div>"
    )


def _cell(strip: Strip, t: int) -> str:
    frame = strip.frames[t]
    content = f"<img src='{png_data(frame)}' alt='frame {t + 1}'>"
    if strip.heat is not None:
        content += f"<img src='{png_data(overlay(frame, strip.heat[t]))}' alt='heat map of frame {t + 1}'>"
    caption = str(t + 1)
    if strip.drops is not None:
        drop = 100 * strip.drops[t]
        kind = "against" if drop < 0 else "for"
        content += f"<div class='drop'><div class='{kind}' style='width: {min(abs(drop), 100):.0f}%'></div></div>"
        number = f"{drop:+.0f}".replace("-", "−") if abs(drop) >= 0.5 else "0"
        caption += f"<br><b>{number}</b>"
    return f"<figure>{content}<figcaption>{caption}</figcaption></figure>"
