"""Exit codes and final messages of the study programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from spatempo.errors import SpatempoError
from spatempo.process import set_up
from spatempo.terminal import print_line


def run_study(name: str, study: Callable[[], None]) -> int:
    """Runs `study` and prints its duration. Returns the exit code: 0, 2 (error, in one line), 130 (interrupted)."""
    begun = time.monotonic()
    set_up()
    try:
        study()
    except SpatempoError as error:
        print_line(f"{name}: error: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        print_line(f"{name}: interrupted; run it again to continue", sys.stderr)
        return 130
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    print(f"\ntotal time: {minutes}:{seconds:02d} minutes")
    return 0
