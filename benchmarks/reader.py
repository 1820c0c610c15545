"""Speed of reading a clip of 8 segments from a ten-second video: spatempo, a full decode, and torchcodec if available.

Creates its own H.264 files (x264 medium, moving photograph-like texture with noise), runs all methods in turn, so that
other load on the machine affects them equally, and prints a Markdown table of medians. All methods use one thread and
open the file for every clip, like a data-loading worker.

    python benchmarks/reader.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from spatempo.inputs.sampling import random_segment_indices
from spatempo.video import _info
from spatempo.video.backends import available_backends
from spatempo.video.source import open_video

FRAMES, FPS, SEGMENTS, SHORT_SIDE = 300, 30, 8, 128


def make_video(path: Path, width: int, height: int, gop: int) -> Path:
    """Writes ten seconds of a large texture under a moving camera, with sensor noise."""
    rng = np.random.default_rng(0)
    world = sum(
        np.kron(rng.normal(0, 2.0**level, (1024 // 2**level, 1024 // 2**level, 3)), np.ones((2**level, 2**level, 1)))
        for level in range(2, 7)
    )
    world = np.clip(128 + world, 0, 255)
    with av.open(str(path), "w") as container:
        options = {"preset": "medium", "crf": "23", "x264-params": f"keyint={gop}:scenecut=0"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(FRAMES):
            x, y = int(200 + 150 * np.sin(i / 40)), int(200 + 150 * np.cos(i / 55))
            picture = world[y : y + height, x : x + width] + rng.normal(0, 3, (height, width, 1))
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_everything(path: str, indices: list[int], short_side: int | None) -> np.ndarray:
    """Reads like a simple loader: decodes and converts every frame, then selects."""
    with av.open(path) as container:
        stream = container.streams.best("video")
        assert stream is not None
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        size = (
            {}
            if short_side is None
            else {"height": short_side, "width": int(short_side * stream.width / stream.height)}
        )
        frames = [frame.to_ndarray(format="rgb24", threads=1, **size) for frame in container.decode(stream)]
    return np.stack([frames[i] for i in indices])


def read_ours(path: str, indices: list[int], short_side: int | None) -> np.ndarray:
    """Reads with the packet index of an earlier epoch."""
    with open_video(path, "pyav") as video:
        return video.read(indices, short_side)


def read_ours_first(path: str, indices: list[int], short_side: int | None) -> np.ndarray:
    """Reads a file for the first time in this process."""
    _info._known.clear()
    return read_ours(path, indices, short_side)


def read_torchcodec(path: str, indices: list[int], short_side: int | None) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    # its own interface with the faster seek mode, which is exact here, since the frame rate is constant
    transforms = None if short_side is None else [Resize((short_side, int(short_side * WIDTH / HEIGHT)))]
    decoder = VideoDecoder(
        path, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate", transforms=transforms
    )
    return decoder.get_frames_at(indices=indices).data.numpy()


WIDTH, HEIGHT = 0, 0
WAYS: dict[str, Callable[[str, list[int], int | None], np.ndarray]] = {
    "decode everything": read_everything,
    "spatempo, first epoch": read_ours_first,
    "spatempo, later epochs": read_ours,
    "torchcodec": read_torchcodec,
}


def main() -> None:
    """Prints the table."""
    global WIDTH, HEIGHT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="clips read per cell of the table")
    rounds = parser.parse_args().rounds
    backends = available_backends()
    ways = {name: way for name, way in WAYS.items() if name != "torchcodec" or backends[name][0].isdigit()}
    print(f"Python {platform.python_version()}, PyAV {backends['pyav']}, torchcodec {backends['torchcodec']}\n")
    print("| video | key frame every | short side | " + " | ".join(f"{name}, clips/s (ms)" for name in ways) + " |")
    print("|---|---|---|" + "---|" * len(ways))
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        for WIDTH, HEIGHT in ((320, 240), (340, 256)):
            for gop in (12, 250):
                path = str(make_video(Path(folder) / f"{WIDTH}-{gop}.mp4", WIDTH, HEIGHT, gop))
                for short_side in (None, SHORT_SIDE):
                    seconds: dict[str, list[float]] = {name: [] for name in ways}
                    for _ in range(rounds):
                        indices = random_segment_indices(FRAMES, SEGMENTS, rng).tolist()
                        results = []
                        for name, way in ways.items():
                            start = time.perf_counter()
                            results.append(way(path, indices, short_side))
                            seconds[name].append(time.perf_counter() - start)
                        assert all(np.array_equal(results[0], ours) for ours in results[1:3])
                        assert all(result.shape == results[0].shape for result in results)
                    cells = [statistics.median(times) for times in seconds.values()]
                    line = " | ".join(f"{1 / cell:.1f} ({1000 * cell:.0f})" for cell in cells)
                    print(f"| {WIDTH}x{HEIGHT} | {gop} | {short_side or 'native'} | {line} |", flush=True)


if __name__ == "__main__":
    main()
