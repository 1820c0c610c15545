"""Which video readers really work on this machine."""

from __future__ import annotations

from spatempo.errors import SpatempoError


def available_backends() -> dict[str, str]:
    """Name of every reader -> its version, or "not usable: " and one line why. Imports them, so it takes a moment."""
    return {"pyav": _pyav(), "torchcodec": _torchcodec()}


def _pyav() -> str:
    try:
        import av
    except ImportError as error:
        return f"not usable: {error}; install it with `pip install av`"
    return av.__version__


def _torchcodec() -> str:
    from spatempo.video.torchcodec_reader import load_torchcodec

    try:
        return str(load_torchcodec().__version__)
    except SpatempoError as error:
        return f"not usable: {error}"
