"""Addresses of videos, as opposed to local files. Free of PyAV: the command line looks at them before it loads that."""

from __future__ import annotations

import re

TIMEOUT = 15.0  # seconds that opening an address, a seek in it and each packet may take


def is_address(path: str) -> bool:
    """Whether ``path`` is an address (https://, rtsp://, ...) and not a local file."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path) is not None
