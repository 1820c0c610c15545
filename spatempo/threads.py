"""How the threads of a computation wait for each other."""

from __future__ import annotations

import os


def wait_asleep() -> None:
    """Lets torch's CPU threads sleep where they wait for each other, unless ``OMP_WAIT_POLICY`` says otherwise.

    By default they spin, which is fine on cores of their own. As soon as anything else runs there, a process that reads
    clips for instance, each waits by burning the time that the other needs: on two cores training was 5 times slower
    so (benchmarks/waiting.py). It counts only before torch is loaded, hence first thing in a program.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
