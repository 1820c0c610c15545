"""Training speed on a CPU with memory returned or kept, and with threads that spin, spin shortly, or sleep.

    python benchmarks/process.py

Each round trains a few steps (tsm_smallresnet, 8 frames of 48 pixels, batch 32; tsm_mobilenet_v2, 8 frames of 112,
batch 8) in new processes, one per setting, on an idle machine and next to a process that keeps one core busy. Prints
the median clips/s and the peak memory per setting. "spinning, returned" is the default of torch, "shortly, kept" is
the setting of spatempo (spatempo/process.py).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

ROUNDS = 3
NETWORKS = {"tsm_smallresnet": (48, 32), "tsm_mobilenet_v2": (112, 8)}  # name -> size, batch
WAITS = {"spinning": {}, "asleep": {"OMP_WAIT_POLICY": "PASSIVE"}, "shortly": {"GOMP_SPINCOUNT": "1000"}}
WAYS = [("spinning", False), ("spinning", True), ("asleep", True), ("shortly", True)]
TRAIN = """
import resource, sys, time
name, size, batch, keep = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
if keep:
    from spatempo.process import keep_memory
    keep_memory()
import torch
from spatempo.models.registry import create_model
model = create_model(name, num_classes=16, size=size).to(memory_format=torch.channels_last)
clip = torch.randn(batch, 3, 8, size, size).to(memory_format=torch.channels_last_3d)
times = []
for _ in range(8):
    begun = time.perf_counter()
    model(clip).square().mean().backward()
    times.append(time.perf_counter() - begun)
print(batch / sorted(times)[len(times) // 2], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
"""


def measure(name: str, wait: str, keep: bool) -> tuple[float, float]:
    """Clips/s and peak memory in MiB of a new process."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    words = [sys.executable, "-c", TRAIN, name, *map(str, NETWORKS[name]), str(keep)]
    done = subprocess.run(words, env=environment | WAITS[wait], capture_output=True, text=True, check=True)
    speed, memory = done.stdout.split()
    return float(speed), float(memory)


def main() -> None:
    for name in NETWORKS:
        for busy in (False, True):
            other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
            try:
                rounds = [[measure(name, *way) for way in WAYS] for _ in range(ROUNDS)]
            finally:
                if other is not None:
                    other.kill()
            print(f"{name}, {'next to a busy process' if busy else 'idle machine'}")
            for (wait, keep), found in zip(WAYS, zip(*rounds, strict=True), strict=True):
                speed, memory = (statistics.median(column) for column in zip(*found, strict=True))
                kept = "kept" if keep else "returned"
                print(f"  {wait:>8}, {kept:10} {speed:7.1f} clips/s {memory:7.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
