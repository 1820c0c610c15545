"""Inference time of exported TSM models, as ratios to plain 2D networks, to the unchanged 5-D export and to eager code.

    python benchmarks/export.py [--only openvino-bf16,...] [--forms] [--processes 5] [--rounds 15] [--threads 2]

Each comparison runs in fresh processes, because the speed of one file differs by up to 10 % between processes. Within
a process the variants alternate. A ratio is the median over the rounds of a process; the table shows the median, the
lowest and the highest of all processes. Other load of the machine is measured and printed; measure on an idle machine.

Weights are random with calibrated batch norms, for which the order of frames matters. Before a variant is measured,
its logits are compared with those of the eager model. OpenVINO compiles for the shape of the clip and ONNX Runtime
keeps the free sizes of the file, as ``spatempo.load_engine`` does.

"authors" is the formulation of the released code in eager mode, float32 (``released_tsm.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FORMS = ("whole", "concat", "sum")
Run = Callable[[int], np.ndarray]  # logits of the clip, or of a stream after frame t


@dataclass(frozen=True)
class Race:
    """A comparison: variants of one network that alternate in one process."""

    network: str
    engine: str
    precision: str
    calls: int = 1  # per measurement


RACES = {
    "openvino-f32": Race("resnet50", "openvino", "f32"),
    "openvino-bf16": Race("resnet50", "openvino", "bf16"),
    "onnxruntime-f32": Race("resnet50", "onnxruntime", "f32"),
    "mobilenet-openvino-f32": Race("mobilenet_v2", "openvino", "f32", 5),
    "mobilenet-onnxruntime-f32": Race("mobilenet_v2", "onnxruntime", "f32", 5),
    "step-openvino-f32": Race("step", "openvino", "f32", 5),
    "step-onnxruntime-f32": Race("step", "onnxruntime", "f32", 5),
}
# comparison, variant whose time is divided by that of the other, and the target; a variant is the name of a file, "tsm"
# for the form that export chooses, or "authors"
TARGETS = [
    ("openvino-f32", "tsm", "plain", "<= 1.06"),
    ("openvino-bf16", "tsm", "plain", "<= 1.06"),
    ("onnxruntime-f32", "tsm", "plain", "<= 1.10"),
    ("mobilenet-openvino-f32", "tsm", "plain", "<= 1.03"),
    ("mobilenet-onnxruntime-f32", "tsm", "plain", ""),
    ("openvino-f32", "5d", "tsm", ">= 1.15"),
    ("openvino-bf16", "5d", "tsm", ">= 1.35"),
    ("onnxruntime-f32", "5d", "tsm", ""),
    ("openvino-f32", "authors", "tsm", ">= 1.6"),
    ("openvino-bf16", "authors", "tsm", ">= 3.3"),
    ("step-openvino-f32", "authors", "tsm", ">= 2.4"),
    ("step-onnxruntime-f32", "authors", "tsm", ">= 2.0"),
]


# --- variants in a fresh process -------------------------------------------------------------------------------------


def load(race: Race, variant: str, work: Path, threads: int) -> Run:
    """A variant, ready to run."""
    folder = work / race.network
    clip = np.load(folder / "clip.npy")
    if variant == "authors":
        return _authors(race.network, folder, clip, threads)
    path = folder / "taps" / "model.xml" if variant == "taps" else folder / f"{variant}.onnx"
    if race.network != "step":
        run, _ = _engine(race, path, {"clip": clip}, threads)
        return lambda t: run({"clip": clip})[0]
    frames = [np.ascontiguousarray(clip[:, :, t : t + 1]) for t in range(clip.shape[2])]
    state = dict(np.load(folder / "state.npz"))
    run, names = _engine(race, path, {"frames": frames[0], **state}, threads)

    def step(t: int) -> np.ndarray:
        found = dict(zip(names, run({"frames": frames[t % len(frames)], **state}), strict=True))
        state.update({name: found[f"next_{name}"] for name in state})
        return found["logits"]

    return step


def _engine(race: Race, path: Path, inputs: dict[str, np.ndarray], threads: int) -> tuple[Callable, list[str]]:
    if race.engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda given: session.run(names, given), names
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(value.shape) for name, value in inputs.items()})
    settings = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": race.precision, "INFERENCE_NUM_THREADS": threads,
    }  # fmt: skip
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    names = [output.any_name for output in model.outputs]

    def infer(given: dict[str, np.ndarray]) -> list[np.ndarray]:
        found = request.infer(given)
        return [found[name].copy() for name in names]

    return infer, names


def _authors(network: str, folder: Path, clip: np.ndarray, threads: int) -> Run:
    import torch
    from released_tsm import ClipNet, OnlineNet

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    saved = torch.load(folder / "weights.pt", weights_only=True)
    head = torch.nn.Linear(*reversed(saved["head"]["weight"].shape))
    head.load_state_dict(saved["head"])
    x = torch.from_numpy(clip)
    if network != "step":
        net = ClipNet(saved["backbone"], head, clip.shape[2]).eval()
        return lambda t: net(x).numpy()
    online = OnlineNet(saved["backbone"], head).eval()
    frames = [x[:, :, t].contiguous() for t in range(clip.shape[2])]
    buffers, total, count = online.first_buffers(frames[0]), torch.zeros(1, head.out_features), 0

    def step(t: int) -> np.ndarray:
        nonlocal buffers, total, count
        logits, buffers = online(frames[t % len(frames)], *buffers)
        total, count = total + logits, count + 1
        return (total / count).numpy()

    return step


def measure(race: Race, variants: list[str], work: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Seconds of every variant in every round, the differences of their logits, and the load of other processes."""
    runs = {variant: load(race, variant, work, threads) for variant in variants}
    frames = np.load(work / race.network / "clip.npy").shape[2]
    want = np.load(work / race.network / "logits.npy")
    errors: dict[str, float] = {}
    for variant, run in runs.items():
        if variant == "plain":
            continue
        for t in range(frames if race.network == "step" else 1):
            got = run(t)
        errors[variant] = float(np.abs(got - want).max() / np.abs(want).max())
        limit = 1e-4 if race.precision == "f32" or variant == "authors" else 0.1
        assert errors[variant] < limit, f"{variant}: logits differ by {errors[variant]:.2g} of the largest"
    times: dict[str, list[float]] = {variant: [] for variant in runs}
    own, busy, begun = time.process_time(), _busy_seconds(), time.perf_counter()
    for number in range(rounds + 1):
        for variant, run in sorted(runs.items(), reverse=number % 2 == 1):
            time.sleep(0.01)  # so that spinning threads of the engine before do not disturb
            start = time.perf_counter()
            for t in range(race.calls):
                run(t)
            if number:  # the first round warms up
                times[variant].append((time.perf_counter() - start) / race.calls)
    elapsed = time.perf_counter() - begun
    other = max(0.0, (_busy_seconds() - busy - (time.process_time() - own)) / elapsed)
    return {"times": times, "errors": errors, "other_load": other}


def _busy_seconds() -> float:
    """CPU seconds of all processes since the start of the machine, without idle time."""
    user, nice, system, _, _, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


# --- the table -------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(RACES), help="comparisons, by default all of " + ", ".join(RACES))
    parser.add_argument("--forms", action="store_true", help="compare all forms of TSM with the plain network instead")
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, help="folder in which the files are kept for the next run")
    parser.add_argument("--race", nargs=2, help=argparse.SUPPRESS)  # name and variants, in a fresh process
    given = parser.parse_args()
    if given.race:
        name, variants = given.race
        print(json.dumps(measure(RACES[name], variants.split(","), given.work, given.threads, given.rounds)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        names = given.only.split(",")
        from export_files import make_files  # imports torch, which the processes of the engines do not

        best = {network: make_files(work, network) for network in sorted({RACES[name].network for name in names})}
        packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "onnx", "onnxruntime", "openvino"))
        print(f"{_cpu()}, {given.threads} threads, Python {platform.python_version()}, {packages}")
        print(f"{given.processes} processes of {given.rounds} rounds, load {os.getloadavg()[0]:.1f} before\n")
        for name in names:
            compare(name, work, best[RACES[name].network][RACES[name].engine], given)


def compare(name: str, work: Path, best: str, given: argparse.Namespace) -> None:
    """Measures one comparison and prints its rows."""
    race = RACES[name]
    rows = [(a, b, target) for n, a, b, target in TARGETS if n == name]
    if given.forms:
        base = "authors" if race.network == "step" else "plain"
        taps = ("taps",) if race.engine == "openvino" and race.network != "step" else ()
        rows = [(form, base, "") for form in (*FORMS, *taps)]
    variants = sorted({best if v == "tsm" else v for a, b, _ in rows for v in (a, b)})
    words = [sys.executable, __file__, "--race", name, ",".join(variants), "--work", str(work)]
    words += ["--rounds", str(given.rounds), "--threads", str(given.threads)]
    done = [
        json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        for _ in range(given.processes)
    ]
    loads = ", ".join(f"{one['other_load']:.2f}" for one in done)
    errors = ", ".join(f"{v} {max(one['errors'][v] for one in done):.1e}" for v in done[0]["errors"])
    times = ", ".join(
        f"{v} {1e3 * statistics.median(statistics.median(o['times'][v]) for o in done):.1f}" for v in variants
    )
    print(f"{name}, form {best}: ms {times}; error {errors}; cores used by other processes {loads}")
    for over, under, target in rows:
        a, b = (best if v == "tsm" else v for v in (over, under))
        ratios = [np.divide(one["times"][a], one["times"][b]) for one in done]
        medians = [float(np.median(r)) for r in ratios]
        spread = statistics.median(float(np.quantile(r, 0.75) - np.quantile(r, 0.25)) for r in ratios)
        found = statistics.median(medians)
        print(
            f"  {over:>8} over {under:8} {found:6.3f}  ({min(medians):.3f} to {max(medians):.3f}, "
            f"quartiles within a process {spread:.3f} apart)  {target}",
            flush=True,
        )


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return (
        f"{found.get('model name', platform.machine())} (family {found.get('cpu family')}, model {found.get('model')})"
    )


if __name__ == "__main__":
    main()
