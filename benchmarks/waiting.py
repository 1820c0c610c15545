"""How fast training is beside another busy process, with torch's threads spinning or asleep where they wait.

    python benchmarks/waiting.py

Each round trains a few steps of tsm_smallresnet (8 frames of 48 pixels, batch 32) in fresh processes, one way after the
other, while one process keeps a core busy; prints the median clips/s of each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

STEPS, ROUNDS, BATCH = 8, 3, 32
TRAIN = f"""
import time, torch
from spatempo.models.registry import create_model
model = create_model("tsm_smallresnet", num_classes=16, size=48).to(memory_format=torch.channels_last)
clip = torch.randn({BATCH}, 3, 8, 48, 48).to(memory_format=torch.channels_last_3d)
times = []
for _ in range({STEPS}):
    begun = time.perf_counter()
    model(clip).square().mean().backward()
    times.append(time.perf_counter() - begun)
print({BATCH} / sorted(times)[len(times) // 2])
"""


def clips_per_second(policy: str | None) -> float:
    """Of one fresh process; ``None`` is what torch does by itself."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    if policy is not None:
        environment["OMP_WAIT_POLICY"] = policy
    done = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    for busy in (False, True):
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
        try:
            rows = [(clips_per_second(None), clips_per_second("PASSIVE")) for _ in range(ROUNDS)]
        finally:
            if other is not None:
                other.kill()
        spinning, asleep = (statistics.median(column) for column in zip(*rows, strict=True))
        beside = "beside a busy process" if busy else "alone"
        print(f"{beside:22}  spinning {spinning:6.1f}  asleep {asleep:6.1f} clips/s  ({asleep / spinning:.2f}x)")


if __name__ == "__main__":
    main()
