"""What the studies have in common as programs: how they end, and what they say then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from spatempo.errors import SpatempoError
from spatempo.process import set_up
from spatempo.terminal import say


def run_study(name: str, study: Callable[[], None]) -> int:
    """Runs `study`, says how long it took, and gives the exit code: 0, 2 (one line says why) or 130 (interrupted)."""
    begun = time.monotonic()
    set_up()
    try:
        study()
    except SpatempoError as error:
        say(f"{name}: error: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        say(f"{name}: interrupted; start it again to go on", sys.stderr)
        return 130
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    print(f"\nall of it took {minutes}:{seconds:02d} minutes")
    return 0
