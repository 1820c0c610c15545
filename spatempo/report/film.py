"""Strips of frames of one video, with what was answered; on request with what mattered in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import matplotlib
import numpy as np

from spatempo.errors import SpatempoError
from spatempo.report.figures import png_data
from spatempo.report.html import answers, section


@dataclass
class Strip:
    """Frames of one video and what the models answered.

    Attributes:
        title: above it.
        frames: uint8 ``[T, H, W, 3]``, RGB; small ones (64-128 pixels) keep the page small.
        truth: its class.
        answers: model -> class.
        heat: ``[T, H, W]``, 0 to 1: what of the frames spoke for the class; drawn over them, in a second row.
        drops: ``[T]``: what the score of the true class loses without this frame; a bar and a number under each.
    """

    title: str
    frames: np.ndarray
    truth: str
    answers: Mapping[str, str]
    heat: np.ndarray | None = None
    drops: Sequence[float] | None = None


def strips_section(title: str, caption: str, strips: Sequence[Strip]) -> str:
    """Strips one under the other; nothing without any."""
    return section(title, caption, "".join(_strip(strip) for strip in strips)) if strips else ""


def overlay(frame: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture with heat laid over its grey form: uint8 ``[H, W, 3]`` and ``[H, W]`` to uint8 ``[H, W, 3]``.

    Where the heat is 0 the grey picture is seen, where it is 1 nearly only its colour.
    """
    grey = (frame @ np.array([0.299, 0.587, 0.114]))[..., None].repeat(3, 2)  # luma of ITU-R BT.601
    colors = 255 * matplotlib.colormaps["inferno"](0.25 + 0.7 * heat)[..., :3]
    weight = 0.8 * np.clip(heat, 0, 1)[..., None]
    return np.clip((1 - weight) * grey + weight * colors, 0, 255).astype(np.uint8)


def _strip(strip: Strip) -> str:
    frames = np.asarray(strip.frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise SpatempoError(
            f"report: strip {strip.title!r} is {frames.dtype} {list(frames.shape)}; give uint8 [T, H, W, 3]"
        )
    n = len(frames)
    return (
        f"<div class='strip'><h3>{escape(strip.title)}</h3>"
        f"<div class='frames' style='--n: {n}; --half: {n if n <= 5 else -(-n // 2)}'>"
        f"{''.join(_cell(strip, t) for t in range(n))}</div>"
        f"{answers(strip.truth, list(strip.answers.items())) if strip.answers else ''}</div>"
    )


def _cell(strip: Strip, t: int) -> str:
    frame = strip.frames[t]
    inside = f"<img src='{png_data(frame)}' alt='frame {t + 1}'>"
    if strip.heat is not None:
        inside += f"<img src='{png_data(overlay(frame, strip.heat[t]))}' alt='what spoke for it in frame {t + 1}'>"
    caption = str(t + 1)
    if strip.drops is not None:
        drop = 100 * strip.drops[t]
        kind = "against" if drop < 0 else "for"
        inside += f"<div class='drop'><div class='{kind}' style='width: {min(abs(drop), 100):.0f}%'></div></div>"
        told = f"{drop:+.0f}".replace("-", "−") if abs(drop) >= 0.5 else "0"
        caption += f"<br><b>{told}</b>"
    return f"<figure>{inside}<figcaption>{caption}</figcaption></figure>"
