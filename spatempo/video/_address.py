"""Network addresses of videos. Does not import PyAV, because the command line uses it before PyAV is loaded."""

from __future__ import annotations

import re

TIMEOUT = 15.0  # seconds; limit for opening an address, for a seek and for each packet


def is_address(path: str) -> bool:
    """Whether ``path`` is a network address (https://, rtsp://, ...) and not a local file."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path) is not None
