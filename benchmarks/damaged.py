"""Whether every damaged video is read or named: no other error, no hang, no crash.

    python benchmarks/damaged.py [--files 20000] [--first 0] [--seed 0] [--keep FOLDER]

Makes tiny clips of six codecs (h264 and hevc in mp4, vp9 in webm, av1 in mkv, mpeg4 in avi, mpeg2 in ts), damages each
at random (flipped bits; ranges cut off, zeroed, repeated, dropped or overwritten; bytes and numbers of the headers),
and reads it with `open_video`: first, middle and last frame, in their own size and scaled. A worker process does that,
with 20 seconds for a file and, on Linux, 4 GiB of address space. Prints how many files were read, named with a
`VideoError`, took too long, raised something else, or ended the process. Exit code 1 if there is any of the last three;
`--keep` keeps those files. File n is the same for the same seed, whatever the number of files.
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

LIMIT = 20  # seconds a file
MEMORY = 4 << 30  # bytes of address space; more than any tiny clip needs
BAD = ("hang", "other exception", "crash")


def read(path: str) -> tuple[str, str]:
    """("read" or "named" or "other exception", what was said)."""
    try:
        with open_video(path) as video:
            n = video.frames
            for short_side in (None, 32):
                video.read([0, n // 2, n - 1], short_side=short_side)
        return "read", ""
    except VideoError as error:
        return ("named", error.reason) if "\n" not in str(error) else ("other exception", f"two lines: {error}")
    except Exception:  # noqa: BLE001  what is looked for here
        return "other exception", traceback.format_exc()


def work(paths: Connection) -> None:
    """Reads the files whose paths come in, until None does."""
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    while (path := paths.recv()) is not None:
        paths.send(read(path))


class Worker:
    """A process that reads files, started again when it had to be ended or ended by itself."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None

    def read(self, path: Path) -> tuple[str, str]:
        """What became of a file: an outcome, and what was said."""
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
    options.add_argument("--first", type=int, default=0, help="number of the first file")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", type=Path, help="folder for the files that were neither read nor named")
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
            outcome, said = worker.read(path)
            slowest = max(slowest, time.perf_counter() - begun)
            counts[name, outcome] += 1
            if outcome == "named":
                reasons[said.split("(")[0].split(";")[0]] += 1
            if outcome in BAD:
                print(f"{path.name}: {outcome}: {said}", flush=True)
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
    print(f"slowest: {slowest:.1f} s; named most often: {reasons.most_common(5)}")
    return 1 if sum(totals[2:]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
