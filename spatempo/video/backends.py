"""Video readers that work on this machine."""

from __future__ import annotations

from spatempo.errors import SpatempoError


def available_backends() -> dict[str, str]:
    """Version of every reader by name, or "not usable: " and the reason in one line. Slow, because it imports them."""
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
