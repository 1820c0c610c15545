"""Run time of `spatempo predict` (one tiny clip, one tiny model) and `spatempo models`, including start-up.

    python benchmarks/startup.py [--before CHECKOUT] [--rounds 5] [--only tsm_smallresnet,...]

Each command is a new process. Rounds alternate between the commands, so that other load affects all of them equally.
With ``--before``, the same commands also run from another checkout of spatempo. The files are in the page cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch

from spatempo.video.writer import write_video

MAKE = """
import sys, spatempo
design, _, backbone = sys.argv[1].partition("_")
named = {"name": sys.argv[1]} if "/" not in backbone else {"name": design, "backbone": backbone}
model = spatempo.create_model(num_classes=3, size=64, **named)
model.classes = ["a", "b", "c"]
spatempo.save_checkpoint(model, sys.argv[2])
"""
HERE = Path(__file__).resolve().parents[1]


def seconds(words: list[str], checkout: Path) -> float:
    """Wall time in seconds of one process that imports spatempo from ``checkout``."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        check=True,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        cwd=checkout,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout of spatempo")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="tsm_smallresnet,r2plus1d_18,tsm_resnet18,tsm_timm/resnet18")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = f"{folder}/clip.mp4"
        write_video(clip, np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8), 25)
        checkouts = {"now": HERE} | ({"before": given.before.resolve()} if given.before else {})
        commands = {"import torch": ["-c", "import torch"], "models": ["-m", "spatempo", "models"]}
        for name in given.only.split(","):
            commands[f"predict {name}"] = ["-m", "spatempo", "predict", name, clip]
            for which, checkout in checkouts.items():  # each checkout reads its own files
                seconds(["-c", MAKE, name, f"{folder}/{which}/{name}"], checkout)
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(given.rounds + 1):  # the first round only fills the page cache
            for command, words in commands.items():
                for which, checkout in checkouts.items():
                    own = [f"{folder}/{which}/{word}" if word in given.only.split(",") else word for word in words]
                    times.setdefault((command, which), []).append(seconds(own, checkout))
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"PyAV {av.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    torch_only = statistics.median(times["import torch", "now"][1:])
    print(f"{'':28}" + "".join(f"{which:>10}" for which in checkouts) + f"{'without torch':>16}")
    for command in commands:
        medians = [statistics.median(times[command, which][1:]) for which in checkouts]
        print(f"{command:28}" + "".join(f"{m:9.2f}s" for m in medians) + f"{medians[0] - torch_only:15.2f}s")


if __name__ == "__main__":
    main()
