"""Addresses of streams, as opposed to local files."""

from __future__ import annotations

import re


def is_address(path: str) -> bool:
    """Whether ``path`` is an address (https://, rtsp://, ...) and not a local file."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path) is not None
