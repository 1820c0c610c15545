"""Accuracy, memory and time of ``predict --timeline`` on a long video with ten actions and otherwise no action.

    python benchmarks/timeline.py [--minutes 60] [--start runs/demo/tsm/best]

Creates all data, and continues an interrupted run: renders 1120 training clips of six movements and of "still" (the
same photographs, shaking camera, light and noise, but no movement), trains tsm_smallresnet on them, renders one long
video (96 x 96, 12 frames per second, a cut to another photograph every minute) with ten movements at random times, and
runs the command line on it, with and without an annotated copy. Prints the segment found for every movement with its
error, and the peak memory and seconds of the command. On two idle cores, the video of one hour takes less than 15
minutes in total; --start (a trained model to start from) shortens the training.

Training clips look like the windows of the long video: up to half of a movement is cut off at the beginning or end of
the clip, and half of the still clips contain the last or first quarter of a movement.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

# No torch here: on Linux the peak memory of a child process starts at that of its parent.
from spatempo.data.generated.motions import Track, sway
from spatempo.data.generated.presets import PAIRS, Preset
from spatempo.data.generated.scenes import Scene, draw, paint
from spatempo.files import write_atomic
from spatempo.video.writer import write_video

PRESET = Preset("timeline", size=96, train=160, val=12)
MOVES = {name: pair for pair in ("right_left", "down_up", "in_out") for name in PAIRS[pair][1:]}
STILL = "still"
SECONDS = PRESET.frames / PRESET.fps  # length of a movement and of a training clip
CUT = 60  # seconds between two cuts
MIN_OVERLAP = 0.5  # intersection over union of a movement and its segment


@dataclass(frozen=True)
class Action:
    """A movement in the long video that starts at frame `first`."""

    label: str
    first: int

    @property
    def start(self) -> float:
        return self.first / PRESET.fps

    @property
    def end(self) -> float:
        return self.start + SECONDS


def scene_of(label: str, seed: np.random.SeedSequence) -> Scene:
    """Scene of a complete movement: forwards for the first class of a pair, backwards for the second."""
    scene = draw(MOVES[label], PRESET, seed)
    return scene if label == PAIRS[MOVES[label]][1] else played(scene, range(PRESET.frames - 1, -1, -1))


def played(scene: Scene, frames: Iterable[int]) -> Scene:
    """The scene with its objects at these frames; there are no objects before the first and after the last frame."""
    wanted = np.array(frames)
    valid = (wanted >= 0) & (wanted < PRESET.frames)
    if not valid.any():
        return replace(scene, tracks=[], textures=[])
    inside = wanted.clip(0, PRESET.frames - 1)
    tracks = [
        Track(t.look, t.x[inside], t.y[inside], t.angle[inside], t.radius[inside], t.alpha[inside] * valid)
        for t in scene.tracks
    ]
    return replace(scene, tracks=tracks)


def clip_of(label: str, seed: np.random.SeedSequence) -> np.ndarray:
    """A training clip: uint8 ``[frames, size, size, 3]``."""
    rng, length = np.random.default_rng(seed), PRESET.frames
    missing = int(rng.integers(0, length // 2 + 1))
    if label == STILL:
        label = str(rng.choice(list(MOVES)))
        missing = length if rng.random() < 0.5 else int(rng.integers(length * 3 // 4, length))
    first = missing * int(rng.choice((-1, 1)))
    return paint(played(scene_of(label, seed), range(first, first + length)), PRESET.size)


def render_clips(root: Path) -> None:
    """Renders the training and validation clips, in one folder per class."""
    for part, count in (("train", PRESET.train), ("val", PRESET.val)):
        for number, label in enumerate((*MOVES, STILL)):
            folder = root / part / label
            folder.mkdir(parents=True, exist_ok=True)
            for clip in range(count):
                path = folder / f"{label}_{clip:04d}.mp4"
                if not path.exists():
                    seed = np.random.SeedSequence([("train", "val").index(part), number, clip])
                    write_video(path, clip_of(label, seed), PRESET.fps, qp=PRESET.qp)


def place_actions(minutes: float, seed: int) -> list[Action]:
    """Places one movement at a random time in each tenth of the video, not across a cut."""
    rng = np.random.default_rng(seed)
    labels = [*rng.permutation(list(MOVES)), *rng.permutation(list(MOVES))][:10]
    tenth, actions = minutes * 6, []  # seconds
    for number, label in enumerate(labels):
        start = -1.0
        while start < 0 or start // CUT != (start + SECONDS) // CUT:
            start = number * tenth + rng.uniform(2, tenth - SECONDS - 2)
        actions.append(Action(str(label), round(start * PRESET.fps)))
    return actions


def film(minutes: float, actions: list[Action], seed: int) -> Iterator[np.ndarray]:
    """The long video, frame by frame."""
    rng = np.random.default_rng([seed, 1])
    total, clips = round(minutes * 60 * PRESET.fps), minutes * 60 / SECONDS
    shake, slow, fast = PRESET.shake * PRESET.size, (0.5 * clips, 1.5 * clips), (2.0 * clips, 5.0 * clips)
    camera = np.stack([sway(rng, total, 2 * shake, slow) + sway(rng, total, shake, fast) for _ in range(2)], axis=1)
    light = 1 + PRESET.light * (sway(rng, total, 0.5, (0.2 * clips, 0.4 * clips)) + sway(rng, total, 0.1, fast))
    light = light.astype(np.float32)
    limits = {first for action in actions for first in (action.first, action.first + PRESET.frames)}
    limits |= {*range(0, total, CUT * PRESET.fps), total}
    begins = {action.first: action for action in actions}
    scene = draw("right_left", PRESET, np.random.SeedSequence(seed))
    for first, end in zip(sorted(limits), sorted(limits)[1:], strict=False):
        if first % (CUT * PRESET.fps) == 0:
            scene = draw("right_left", PRESET, np.random.SeedSequence([seed, 2, first]))
        tracks, textures = [], []
        if first in begins:
            acting = scene_of(begins[first].label, np.random.SeedSequence([seed, 3, first]))
            tracks, textures = acting.tracks, acting.textures
        for part in range(first, end, PRESET.frames):  # in pieces: the noise of a minute would be large
            now = slice(part, min(part + PRESET.frames, end))
            noise = rng.standard_normal((now.stop - part, PRESET.size, PRESET.size, 1), dtype=np.float32)
            noise *= np.float32(PRESET.noise)
            yield from paint(Scene(scene.background, tracks, textures, camera[now], light[now], noise), PRESET.size)


def run(*words: object) -> tuple[dict, float, float]:
    """Runs one spatempo command in a new process; returns its JSON document, seconds, and peak memory in GiB."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "spatempo", *map(str, words), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)  # its own peak; RUSAGE_CHILDREN is the maximum over all children
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return json.loads(text), time.perf_counter() - begun, peak / 2**30


def train(out: Path, start: str | None, epochs: int) -> Path:
    """Trains the model unless that is already done; returns its checkpoint."""
    done = out / "train.json"
    if not done.exists():
        words = ["train", out / "clips" / "train", "--val", out / "clips" / "val", "--model", "tsm_smallresnet"]
        words += ["--recipe", "demo", "--epochs", epochs, "--out", out / "run", "--cache"]
        words += ["--weights", start] if start else []
        words += ["--resume"] if (out / "run" / "resume" / "state.pt").exists() else []
        write_atomic(done, json.dumps(run(*words)[0]))
    return out / "run" / "best"


def overlap(action: Action, segment: dict) -> float:
    """Intersection over union of an action and a segment, 0 to 1."""
    both = min(action.end, segment["end"]) - max(action.start, segment["start"])
    either = max(action.end, segment["end"]) - min(action.start, segment["start"])
    return max(0.0, both / either)


def summary(actions: list[Action], segments: list[dict]) -> str:
    """Markdown table of the actions and the segments found, and the number of other segments."""
    lines = ["| placed | at (s) | found | score | begins | ends |", "|---|---|---|---|---|---|"]
    correct, used = 0, []
    for action in actions:
        best = max(segments, key=lambda segment: overlap(action, segment), default=None)
        row = f"| {action.label} | {action.start:.2f} to {action.end:.2f} |"
        if best is None or overlap(action, best) == 0:
            lines.append(f"{row} nothing | | | |")
            continue
        used.append(best)
        correct += best["label"] == action.label and overlap(action, best) >= MIN_OVERLAP
        early, late = best["start"] - action.start, best["end"] - action.end
        lines.append(f"{row} {best['label']} | {best['score']:.2f} | {early:+.2f} s | {late:+.2f} s |")
    rest = [segment for segment in segments if segment not in used]
    lines += [
        "",
        f"{correct} of {len(actions)} found (correct label, overlap >= {MIN_OVERLAP:g}); {len(rest)} other segments",
    ]
    lines += [f"  {segment['start']:.2f} to {segment['end']:.2f} s: {segment['label']}" for segment in rest]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="length of the video, >= 2 (default: %(default)s)")
    parser.add_argument("--start", help="a trained tsm_smallresnet to start the training from, such as `make demo`'s")
    parser.add_argument("--epochs", type=int, help="training epochs (default: 18, or 4 with --start)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the long video")
    parser.add_argument("--out", type=Path, default=Path("runs/timeline-benchmark"))
    given = parser.parse_args()
    begun = time.perf_counter()
    render_clips(given.out / "clips")
    print(f"training clips ready after {time.perf_counter() - begun:.0f} s", flush=True)
    checkpoint = train(given.out, given.start, given.epochs or (4 if given.start else 18))
    print(f"model ready after {time.perf_counter() - begun:.0f} s", flush=True)
    actions = place_actions(given.minutes, given.seed)
    video = given.out / f"{given.minutes:g}-minutes-{given.seed}.mp4"
    if not video.exists():
        write_video(video, film(given.minutes, actions, given.seed), PRESET.fps, qp=PRESET.qp, all_intra=False)
    print(f"video ready after {time.perf_counter() - begun:.0f} s", flush=True)
    words = ["predict", checkpoint, video, "--timeline", "--window", SECONDS, "--background", STILL]
    out = given.out / video.stem
    found, seconds, peak = run(*words, "--out", out)
    print(f"\n{summary(actions, found['segments'])}\n")
    raw = found["frames"] * PRESET.size**2 * 3 / 2**30
    print(f"{found['windows']} windows of {found['frames']} frames ({raw:.2f} GiB if all frames were in memory)")
    print(f"peak memory {peak:.2f} GiB, {seconds:.0f} s, {found['duration'] / seconds:.0f} times real time", flush=True)
    _, seconds, peak = run(*words, "--out", out, "--annotate", out / "annotated.mp4")
    print(f"with --annotate: peak memory {peak:.2f} GiB, {seconds:.0f} s")
    print(f"{time.perf_counter() - begun:.0f} s in total")


if __name__ == "__main__":
    main()
