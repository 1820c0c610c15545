"""Checks that every damaged video is either read or reported with a `VideoError`: no other error, hang or crash.

    python benchmarks/damaged.py [--files 20000] [--first 0] [--seed 0] [--keep FOLDER]

Creates tiny clips with six codecs (h264 and hevc in mp4, vp9 in webm, av1 in mkv, mpeg4 in avi, mpeg2 in ts), damages
each at random (flipped bits; ranges truncated, zeroed, repeated, dropped or overwritten; changed bytes and numbers in
headers), and reads the first, middle and last frame with `open_video`, in the original size and scaled. A worker
process reads the files, with a limit of 20 seconds per file and, on Linux, 4 GiB of address space. Prints the number of
files that were read, reported with a `VideoError`, timed out, raised another exception, or ended the process. The exit
code is 1 if there are files in the last three groups; `--keep` keeps these files. File n depends only on the seed, not
on the number of files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "video"))
from damage import damaged, random_damage, write_clips

from spatempo.errors import VideoError
from spatempo.video.source import open_video

LIMIT = 20  # seconds per file
MEMORY = 4 << 30  # bytes of address space; more than any tiny clip needs
BAD = ("hang", "other exception", "crash")


def read(path: str) -> tuple[str, str]:
    """Reads a video; returns the outcome ("read", "named" or "other exception") and the message."""
    try:
        with open_video(path) as video:
            n = video.frames
            for short_side in (None, 32):
                video.read([0, n // 2, n - 1], short_side=short_side)
        return "read", ""
    except VideoError as error:
        return ("named", error.reason) if "\n" not in str(error) else ("other exception", f"two lines: {error}")
    except Exception:  # noqa: BLE001  this program looks for such errors
        return "other exception", traceback.format_exc()


def work(paths: Connection) -> None:
    """Reads the files whose paths are received, until None is received."""
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    while (path := paths.recv()) is not None:
        paths.send(read(path))


class Worker:
    """A process that reads files. It is restarted if it was killed or has crashed."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None

    def read(self, path: Path) -> tuple[str, str]:
        """Outcome and message of reading a file."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._paths, other = context.Pipe()
            self._process = context.Process(target=work, args=(other,), daemon=True)
            self._process.start()
            other.close()
        self._paths.send(str(path))
        try:
            if self._paths.poll(LIMIT):
                return self._paths.recv()
        except EOFError:
            self._process.join()
            code, self._process = self._process.exitcode, None
            return "crash", f"the process ended with {code}"
        self._process.kill()
        self._process.join()
        self._process = None
        return "hang", f"more than {LIMIT} s"

    def end(self) -> None:
        if self._process is not None:
            self._paths.send(None)
            self._process.join()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=20_000)
    options.add_argument("--first", type=int, default=0, help="index of the first file")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", type=Path, help="folder for the files that were neither read nor reported")
    given = options.parse_args()

    worker, counts, reasons, slowest = Worker(), Counter[tuple[str, str]](), Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        clips = write_clips(Path(folder))
        names = list(clips)
        for number in range(given.first, given.first + given.files):
            name = names[number % len(names)]
            path = Path(folder) / f"{number}-{name}"
            path.write_bytes(damaged(clips[name], random_damage(np.random.default_rng([given.seed, number]))))
            begun = time.perf_counter()
            outcome, message = worker.read(path)
            slowest = max(slowest, time.perf_counter() - begun)
            counts[name, outcome] += 1
            if outcome == "named":
                reasons[message.split("(")[0].split(";")[0]] += 1
            if outcome in BAD:
                print(f"{path.name}: {outcome}: {message}", flush=True)
                if given.keep is not None:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, given.keep)
            path.unlink()
        worker.end()

    columns = ("read", "named", *BAD)
    print("".join(f"{word:>16}" for word in ("clip", *columns)))
    for name in names:
        print(f"{name:>16}" + "".join(f"{counts[name, column]:>16}" for column in columns))
    totals = [sum(counts[name, column] for name in names) for column in columns]
    print(f"{'all':>16}" + "".join(f"{total:>16}" for total in totals))
    print(f"slowest: {slowest:.1f} s; most frequent reasons: {reasons.most_common(5)}")
    return 1 if sum(totals[2:]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
