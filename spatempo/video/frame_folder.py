"""Folders of numbered images, read as videos: a common format of Something-Something, Jester and extracted flow.

:class:`FrameFolder` reads RGB images. :class:`FlowFolder` reads the two greyscale images of every flow field.
"""

from __future__ import annotations

import os
import re
import string
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from spatempo.errors import SpatempoError, VideoError
from spatempo.video._frames import Closing, check_indices, check_size, scaled_size

# Names used by the published frame lists: TSN/TSM (Kinetics, UCF), Something-Something v2, Jester, Something v1, ...
_TEMPLATES = tuple(
    stem + number + ending
    for ending in (".jpg", ".png", ".jpeg")
    for stem in ("img_", "image_", "frame_", "")
    for number in ("{:05d}", "{:06d}", "{:04d}")
)
# Names of extracted flow, x or y in the first field: TSN's and TSM's (UCF101, HMDB51), and the same without "flow_".
_FLOW_TEMPLATES = tuple(
    stem + number + ending
    for ending in (".jpg", ".png", ".jpeg")
    for stem in ("flow_{}_", "{}_")
    for number in ("{:05d}", "{:06d}", "{:04d}")
)
# Accepted image formats, independent of the file name. Pillow supports more; one of them runs Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


class FrameFolder(Closing):
    """A folder of images, numbered from 1 (or from 0) without gaps. Frame 0 is the first image.

    Greyscale images give three equal channels. The interface is `spatempo.video.source.VideoSource`.

    Args:
        path: the folder.
        template: file name with one integer field, for example "img_{:05d}.jpg"; it may include a subfolder of `path`.
            None tries common names and uses the first that exists.
        grey: read one channel, uint8 [k, H, W].

    Raises:
        VideoError: no image with such a name, or a gap in the numbering.
        SpatempoError: a template without an integer field.
    """

    fps = 0.0  # images have no times
    duration = 0.0

    def __init__(self, path: str | os.PathLike[str], template: str | None = None, *, grey: bool = False) -> None:
        self.path = os.fspath(path)
        self._mode = "L" if grey else "RGB"
        if template is None:
            template = self._guess()
        numbers = self._numbers(template)
        if not numbers:
            raise VideoError(self.path, f"no image called {template}; check the folder, or give its template")
        first, last = min(numbers), max(numbers)
        if first > 1:
            raise VideoError(self.path, f"{template.format(1)} is missing; numbering starts at 1 (or 0)")
        if len(numbers) != last - first + 1:
            gap = next(number for number in range(first, last) if number not in numbers)
            raise VideoError(self.path, f"{template.format(gap)} is missing; extract the frames again")
        self.template = template
        self.frames = len(numbers)
        self._first = first
        with self._open(0) as image:
            self.width, self.height = image.size
            self.codec = (image.format or "image").lower()

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """uint8 [len(indices), H, W, 3]; see `VideoSource.read`. JPEG is scaled in its decoder, then bilinearly."""
        wanted = check_indices(self.path, indices, self.frames)
        channels = () if self._mode == "L" else (3,)
        out = np.empty((len(wanted), *scaled_size(self.height, self.width, short_side), *channels), dtype=np.uint8)
        for number in np.unique(wanted):
            out[wanted == number] = self._load(int(number), out.shape[1], out.shape[2])
        return out

    def stream(self, short_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (frame number, uint8 [H, W, 3]); images have no times. See `FrameStream.stream`."""
        height, width = scaled_size(self.height, self.width, short_side)
        for number in range(self.frames):
            yield float(number), self._load(number, height, width)

    def close(self) -> None:
        """Does nothing: no file stays open."""

    def _load(self, number: int, height: int, width: int) -> np.ndarray:
        with self._open(number) as image:
            if image.size != (self.width, self.height):
                name = self.template.format(self._first + number)
                raise VideoError(
                    self.path,
                    f"{name} is {image.size[0]}x{image.size[1]}, others {self.width}x{self.height}; "
                    "extract the frames again",
                )
            try:
                if (height, width) == (self.height, self.width):
                    return np.asarray(image.convert(self._mode))
                if image.format == "JPEG":
                    image.draft(image.mode, (width * 2, height * 2))  # decode at 1/2, 1/4 or 1/8 if that is enough
                return np.asarray(image.convert(self._mode).resize((width, height), Image.Resampling.BILINEAR))
            except (OSError, SyntaxError, ValueError) as error:
                raise self._damaged(number, error) from error

    def _open(self, number: int) -> Any:
        name = self.template.format(self._first + number)
        path = os.path.join(self.path, name)
        if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe or a device could wait forever
            raise VideoError(self.path, f"{name} is not a file but a folder, pipe or device; extract the frames again")
        try:
            with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
                image = Image.open(path, formats=_FORMATS)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise self._damaged(number, error) from error
        check_size(self.path, image.height, image.width, name)
        return image

    def _damaged(self, number: int, error: Exception) -> VideoError:
        name = self.template.format(self._first + number)
        return VideoError(self.path, f"{name} is missing or damaged ({type(error).__name__}); extract the frames again")

    def _guess(self) -> str:
        if found := _first_there(self.path, _TEMPLATES):
            return found
        reason = f"no numbered images such as {_TEMPLATES[0].format(1)}; check the folder, or give its template"
        if flow := _first_there(self.path, _FLOW_TEMPLATES, "x"):
            reason = f"contains optical flow ({flow.format('x', 1)}) and no RGB images; use a model with modality=flow"
        raise VideoError(self.path, reason)

    def _numbers(self, template: str) -> set[int]:
        """Numbers of the files that match the template."""
        pattern = _pattern(template)
        inside, _ = os.path.split(template)
        try:
            names = os.listdir(os.path.join(self.path, inside))
        except OSError as error:
            raise VideoError(self.path, f"cannot list the folder of {template} ({error.strerror})") from error
        found = (pattern.fullmatch(name) for name in names)
        numbers = {int(match[1]) for match in found if match}
        present = set(names)  # "img_1.jpg" matches the pattern of img_{:05d}.jpg, but not the template
        return {number for number in numbers if os.path.basename(template.format(number)) in present}


class FlowFolder(Closing):
    """Optical flow from two greyscale images per field: a `VideoSource` whose frames are uint8 [H, W, 2], x and y.

    Values map linearly to displacements between two bounds; the middle value (about 128) is no motion. This is the
    format written by the extraction tools of TSN and TSM.

    Args:
        path: the folder.
        template: file name with a field for x or y and an integer field, for example "flow_{}_{:05d}.jpg"; None tries
            common names.

    Raises:
        VideoError: no such images, a gap in the numbering, or x and y images that do not match.
        SpatempoError: a template without these two fields.
    """

    fps = duration = 0.0  # images have no times

    def __init__(self, path: str | os.PathLike[str], template: str | None = None) -> None:
        self.path = os.fspath(path)
        template = self._guess() if template is None else template
        if template.count("{}") != 1:
            raise SpatempoError(f"template {template!r} needs one field for x and y, as in 'flow_{{}}_{{:05d}}.jpg'")
        self._x, self._y = (FrameFolder(path, template.replace("{}", axis), grey=True) for axis in "xy")
        for fact in ("frames", "height", "width"):
            x, y = getattr(self._x, fact), getattr(self._y, fact)
            if x != y:
                raise VideoError(self.path, f"flow along x has {fact} {x}, along y {y}; extract the flow again")
        self.template = template
        self.frames, self.height, self.width = self._x.frames, self._x.height, self._x.width
        self.codec = self._x.codec

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """uint8 [len(indices), H, W, 2]; see `VideoSource.read`."""
        return np.stack([axis.read(indices, short_side) for axis in (self._x, self._y)], -1)

    def stream(self, short_side: int | None = None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (field number, uint8 [H, W, 2])."""
        for (number, x), (_, y) in zip(self._x.stream(short_side), self._y.stream(short_side), strict=True):
            yield number, np.stack([x, y], -1)

    def close(self) -> None:
        """Does nothing: no file stays open."""

    def _guess(self) -> str:
        if found := _first_there(self.path, _FLOW_TEMPLATES, "x"):
            return found
        name = _FLOW_TEMPLATES[0]
        raise VideoError(
            self.path,
            f"no flow such as {name.format('x', 1)} and {name.format('y', 1)}; extract it, or give its template",
        )


def _first_there(path: str, templates: Iterable[str], *axis: str) -> str | None:
    """The first template whose image 1 or image 0 (of an axis) is in the folder."""
    for template in templates:
        if any(os.path.exists(os.path.join(path, template.format(*axis, number))) for number in (1, 0)):
            return template
    return None


def _pattern(template: str) -> re.Pattern[str]:
    """Regular expression for the file names of `template`, with the number in group 1."""
    try:
        parts = list(string.Formatter().parse(os.path.basename(template)))
        template.format(1)
    except (ValueError, IndexError, KeyError) as error:
        raise SpatempoError(f"template {template!r} is not a file name such as 'img_{{:05d}}.jpg'") from error
    if sum(field is not None for _, field, _, _ in parts) != 1:
        raise SpatempoError(f"template {template!r} needs one number field, as in 'img_{{:05d}}.jpg'")
    return re.compile("".join(re.escape(text) + ("" if field is None else r"(\d+)") for text, field, _, _ in parts))
