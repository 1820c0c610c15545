"""Process settings: memory reuse and waiting of CPU threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
if sys.argv[1] == "keep":
    from spatempo.process import keep_memory
    keep_memory()
import numpy as np
def step():
    return [np.ones(5_000_000) for _ in range(2)]  # two of 40 MB
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="needs glibc"
)
def test_freed_memory_is_reused() -> None:
    assert page_faults("keep") < 200  # pages of at least 4 kB
    assert page_faults("plain") > 1000  # otherwise this test proves nothing


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_environment_variables_of_the_user_are_kept(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str | None
) -> None:
    from spatempo.process import wait_shortly

    monkeypatch.setattr(os, "environ", dict(given))
    wait_shortly()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
