"""Time limits for videos on the network, and error messages when the network fails."""

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
_CHECK = 0.1  # seconds; on Windows an unlimited wait would not react to Ctrl-C


def within(seconds: float | None, address: str, work: Callable[[], Result]) -> Result:
    """Run ``work()``, which reads from `address`, for at most `seconds`; Ctrl-C interrupts it. None: a local file.

    Python handles Ctrl-C only between its own instructions, and FFmpeg waits for a server inside one of them. Looking
    up a host name has no time limit either. So `work` runs in a second thread. After a timeout or Ctrl-C that thread is
    abandoned, and the objects that `work` uses must not be used again. It does not keep the process alive.

    Raises:
        VideoError: `work` takes too long. Also if it ends at that moment, because its result may be incomplete.
        Exception: any exception of `work`.
    """
    if seconds is None:
        return work()
    future: Future[Result] = Future()
    done = threading.Event()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised again in the waiting thread
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
    """The error to raise when FFmpeg fails at an address; None if the video is the cause, not the network."""
    if isinstance(error, av.error.HTTPError | av.error.HTTPClientError):
        return VideoError(address, f"{error.strerror}; check the address")
    if isinstance(error, av.error.ProtocolNotFoundError):
        scheme = address.split("://")[0]
        return VideoError(address, f"{scheme}:// cannot be opened; use https:// or a local file")
    if isinstance(error, ConnectionRefusedError):
        return VideoError(address, "connection refused; check the address, and that the server is running")
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.EIO and (host := _unknown_host(address)):
        return VideoError(address, f"host {host!r} not found; check the address and the network connection")
    return VideoError(address, f"cannot be read ({error.strerror}); check the address and the network, or download it")


def _unknown_host(address: str) -> str | None:
    """The host of an address if its name cannot be resolved, which FFmpeg reports as an input/output error."""
    try:
        host = urlsplit(address).hostname
        if host:
            within(TIMEOUT, address, lambda: socket.getaddrinfo(host, None))
    except (socket.gaierror, UnicodeError):
        return host
    except (VideoError, ValueError):  # no answer in time; an address with unmatched brackets
        return None
    return None
