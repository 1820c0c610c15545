"""Waiting for a video on the network, and what to report when it fails."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar
from urllib.parse import urlsplit

import av.error
from av.error import FFmpegError

from spatempo.errors import VideoError
from spatempo.video._address import TIMEOUT

Result = TypeVar("Result")
_CHECK = 0.1  # seconds; on Windows a wait without an end would not notice Ctrl-C


def within(seconds: float | None, address: str, work: Callable[[], Result]) -> Result:
    """``work()``, which waits for `address`: for at most `seconds`, and interruptible by Ctrl-C. None: a local file.

    Python sees Ctrl-C only between its own instructions, and FFmpeg waits for a server inside one of them; looking up a
    host name knows no time limit either. So `work` runs in a thread, and this one waits. When the wait ends early, that
    thread is abandoned: what `work` uses must not be touched any more. It does not keep the process alive.

    Raises:
        VideoError: `work` takes too long; also when it ends just then, as what it returns may be cut short.
        what `work` raises.
    """
    if seconds is None:
        return work()
    future: Future[Result] = Future()
    done = threading.Event()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            future.set_exception(error)
        done.set()

    begun = time.monotonic()
    threading.Thread(target=run, name="spatempo-network", daemon=True).start()
    while not done.wait(_CHECK) and time.monotonic() - begun < seconds:
        pass
    if time.monotonic() - begun >= seconds:
        reason = f"timed out: no answer within {seconds:g} s; check the address, or allow a longer timeout"
        raise VideoError(address, reason)
    return future.result()


def network_failure(address: str, error: FFmpegError | OSError) -> VideoError | None:
    """What to report when FFmpeg fails at an address; None where the network is not to blame, but the video."""
    if isinstance(error, av.error.HTTPError | av.error.HTTPClientError):
        return VideoError(address, f"{error.strerror}; check the address")
    if isinstance(error, av.error.ProtocolNotFoundError):
        scheme = address.split("://")[0]
        return VideoError(address, f"addresses of {scheme}:// cannot be opened; use https:// or a local file")
    if isinstance(error, ConnectionRefusedError):
        return VideoError(address, "connection refused; check the address, and that the server is running")
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.EIO and (host := _unknown_host(address)):
        return VideoError(address, f"host {host!r} not found; check the address and the network connection")
    return VideoError(address, f"cannot be read ({error.strerror}); check the address and the network, or download it")


def _unknown_host(address: str) -> str | None:
    """The host of an address, if there is none of this name; FFmpeg reports that as an input/output error."""
    try:
        host = urlsplit(address).hostname
        if host:
            within(TIMEOUT, address, lambda: socket.getaddrinfo(host, None))
    except (socket.gaierror, UnicodeError):
        return host
    except (VideoError, ValueError):  # no answer in time; brackets that do not match
        return None
    return None
