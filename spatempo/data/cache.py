"""A cache of decoded frames on disk, for small data sets and machines on which decoding takes longer than training.

Every clip is decoded once, at the short side that the data set reads, and stored as a memory-mapped uint8 array
``[frames, H, W, 3]`` with exactly the bytes that decoding the video gives. File names depend on the path, size and
modification time of the video and on the short side, so a changed video is decoded again, and several runs can use
one folder. Uncompressed frames are large (an hour at 128x170 and 30 fps is 7 GB), so there is a limit.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from spatempo.data._open import open_clip
from spatempo.data._parallel import CRASHED, cores, run_all
from spatempo.data.manifest import Manifest, Sample
from spatempo.errors import SpatempoError, VideoError
from spatempo.files import atomic_file
from spatempo.video.source import READS

DEFAULT_LIMIT = 4 << 30  # bytes
_FORMAT = 1  # part of the file names; increase it when the stored format changes
_UNNAMED = "rgb"  # kind of frames that is not part of the file name, because it was the first
_AT_ONCE = 64  # frames in memory while decoding
_Job = tuple[str, str, int, str | None, str]  # path, file of the array, short side, template, kind of frames


class CachedFrames:
    """The decoded frames of one clip, as a :class:`~spatempo.inputs.views.FrameReader`."""

    def __init__(self, path: str, array: np.ndarray, short_side: int) -> None:
        self.path = path
        self._array = array
        self._short_side = short_side

    @property
    def frames(self) -> int:
        return len(self._array)

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """uint8 ``[len(indices), H, W, 3]``, as a new array. `short_side` must be that of the cache."""
        if short_side != self._short_side:
            raise SpatempoError(
                f"{self.path}: cached with short side {self._short_side}, not {short_side}; use the same for both"
            )
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= self.frames):
            raise VideoError(self.path, f"frame {wanted.max()} requested, but only {self.frames} can be read")
        return self._array[wanted]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._array


class FrameCache:
    """Decoded frames of the clips of a manifest. Call :meth:`fill`, then pass it to a data set. It can be pickled.

    Args:
        short_side: short side of the data set (``ClipDataset.short_side``), pixels.
        folder: folder for the arrays; created if missing.
        limit_bytes: largest total size of all clips of the manifest, bytes.
        reads: kind of frames, see :func:`spatempo.video.source.open_video`.
    """

    def __init__(
        self,
        manifest: Manifest,
        short_side: int,
        folder: str | os.PathLike[str],
        limit_bytes: int = DEFAULT_LIMIT,
        *,
        reads: str = "rgb",
    ) -> None:
        self.manifest = manifest
        self.short_side = short_side
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self.reads = reads
        self.errors: dict[str, VideoError] = {}
        self._files: dict[str, str] = {}

    def fill(self, workers: int | None = None, progress: Callable[[int, int], None] | None = None) -> FrameCache:
        """Decodes all clips that are not in the cache.

        Errors of unreadable videos are stored in :attr:`errors` and raised again when the videos are opened, as without
        a cache.

        Args:
            workers: number of processes (default: one per core).
            progress: called as ``progress(clips done, clips to decode)``.

        Returns:
            Itself.

        Raises:
            SpatempoError: the clips need more than `limit_bytes` or the free disk space; nothing is decoded.
        """
        workers = cores() if workers is None else workers
        template = self.manifest.template
        self.errors, self._files = {}, {}
        jobs: list[_Job] = []
        for sample in self.manifest.samples:
            try:
                file = self.folder / f"{_key(sample.path, self.short_side, template, self.reads)}.npy"
            except OSError as error:
                self.errors[sample.path] = VideoError(sample.path, f"{error.strerror or error}; check the path")
            else:
                self._files[sample.path] = str(file)
                jobs.append((sample.path, str(file), self.short_side, template, self.reads))
        present = {job[0]: size for job in jobs if (size := _size(job[1])) is not None}
        missing = self._run(_measure, [job for job in jobs if job[0] not in present], workers, None)
        self._check_space(sum(present.values()), sum(missing.values()))
        self._run(_decode, [job for job in jobs if job[0] in missing], workers, progress)
        return self

    def open(self, sample: Sample) -> CachedFrames:
        """Opens the cached frames of one clip of the manifest.

        Raises:
            VideoError: the video could not be read.
            SpatempoError: the clip is not cached, because :meth:`fill` has not run or the file was deleted.
        """
        if sample.path in self.errors:
            raise VideoError(sample.path, self.errors[sample.path].reason)
        file = self._files.get(sample.path)
        if file is None:
            raise SpatempoError(f"{sample.path}: not in the cache at {self.folder}; fill it before training")
        try:
            return CachedFrames(sample.path, np.lib.format.open_memmap(file, mode="r"), self.short_side)
        except (OSError, ValueError) as error:
            raise SpatempoError(f"{file}: cached frames cannot be read ({error}); delete {self.folder}") from None

    def _run(
        self,
        work: Callable[[_Job], int | VideoError],
        jobs: Sequence[_Job],
        workers: int,
        progress: Callable[[int, int], None] | None,
    ) -> dict[str, int]:
        """Returns path -> bytes of the successful jobs; adds the others to :attr:`errors`."""
        done = {}
        for (path, *_), result in zip(jobs, run_all(work, jobs, workers, progress), strict=True):
            if isinstance(result, int):
                done[path] = result
            else:
                self.errors[path] = VideoError(path, "the decoder crashed") if result is CRASHED else result
        return done

    def _check_space(self, present: int, missing: int) -> None:
        """Raises an error if the cached and the missing clips (bytes) exceed the limit or the disk space."""
        needed = present + missing
        if needed > self.limit_bytes:
            raise SpatempoError(
                f"the decoded-frames cache needs {_gigabytes(needed)} for {len(self.manifest)} clips at short side "
                f"{self.short_side}, its limit is {_gigabytes(self.limit_bytes)}; train without it, "
                "use a smaller size, or raise the limit"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpatempoError(f"{self.folder}: cannot be created ({error.strerror}); choose another folder") from None
        free = shutil.disk_usage(self.folder).free
        if missing > free:
            raise SpatempoError(
                f"{self.folder}: the decoded-frames cache needs {_gigabytes(missing)}, the disk has {_gigabytes(free)} "
                "free; free disk space, or train without the cache"
            )


def _measure(job: _Job) -> int | VideoError:
    """Returns the size of the decoded clip in bytes, accurate to one column of pixels."""
    path, _, short_side, template, reads = job
    try:
        with open_clip(path, template, reads=reads) as source:
            scale = min(1.0, short_side / min(source.height, source.width))
            return int(source.frames * source.height * scale * source.width * scale * READS[reads])
    except VideoError as error:
        return error


def _decode(job: _Job) -> int | VideoError:
    """Writes the frames of a clip in pieces, because a long video does not fit into memory."""
    path, file, short_side, template, reads = job
    try:
        with (
            open_clip(path, template, reads=reads) as source,
            atomic_file(Path(file)) as temporary,
            open(temporary, "wb") as out,
        ):
            written = 0
            for start in range(0, source.frames, _AT_ONCE):
                frames = source.read(range(start, min(start + _AT_ONCE, source.frames)), short_side=short_side)
                if start == 0:
                    shape = (source.frames, *frames.shape[1:])
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(out, header)
                # not memory-mapped: on a full disk, writing raises an error, but a memory map would kill the process
                written += out.write(frames.tobytes())
            return written
    except VideoError as error:
        return error


def _size(file: str) -> int | None:
    """Returns the bytes of the array, or None if it is missing or truncated (which memory mapping detects)."""
    try:
        return np.lib.format.open_memmap(file, mode="r").nbytes
    except (OSError, ValueError):
        return None


def _key(path: str, short_side: int, template: str | None, reads: str) -> str:
    """Returns the file name of a clip; it changes if the video or the reading options change."""
    facts = [_FORMAT, path, short_side, template, *([] if reads == _UNNAMED else [reads])]
    if os.path.isdir(path):
        with os.scandir(path) as images:
            facts += sorted((image.name, image.stat().st_size, image.stat().st_mtime_ns) for image in images)
    else:
        stat = os.stat(path)
        facts += [stat.st_size, stat.st_mtime_ns]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
