"""A local server of one video that answers correctly, or fails in a typical way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """A running server.

    Attributes:
        port: port on 127.0.0.1.
        contacted: set at the first connection.
        connections: number of connections so far.
        stop: set to stop the server.
    """

    port: int
    contacted: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/a.mp4"


@contextmanager
def serve(data: bytes, manner: str = "well") -> Iterator[Server]:
    """Serves `data` under every path.

    Args:
        manner: "well"; "no ranges" (always from the start); "silent" (accepts, sends nothing); "stalls" (half, then
            nothing); "dribbles" (one byte per 0.2 seconds); "closes" (half, then closes); "stalls at a seek" (at
            the second request); or a status line such as "404 Not Found".
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:  # the listener was closed at the end of the test
                return
            server.connections += 1
            server.contacted.set()
            answering = (server, connection, data, manner, server.connections)
            threading.Thread(target=_answer, args=answering, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        server.stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _answer(server: Server, connection: socket.socket, data: bytes, manner: str, number: int) -> None:
    with connection:
        try:
            if manner == "silent":
                server.stop.wait()
                return
            request = b""
            while b"\r\n\r\n" not in request:
                if not (more := connection.recv(4096)):
                    return
                request += more
            _send(server, connection, request.decode(), data, manner, number)
        except OSError:  # the reader closed the connection
            return


def _send(server: Server, connection: socket.socket, request: str, data: bytes, manner: str, number: int) -> None:
    if manner[0].isdigit():
        connection.sendall(f"HTTP/1.1 {manner}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        return
    if manner == "stalls at a seek" and number > 1:
        server.stop.wait()
        return
    start = 0
    if manner != "no ranges":
        ranges = [line for line in request.lower().split("\r\n") if line.startswith("range: bytes=")]
        start = int(ranges[0].removeprefix("range: bytes=").split("-")[0]) if ranges else 0
    status = "200 OK"
    if manner != "no ranges":
        status = (
            f"206 Partial Content\r\nAccept-Ranges: bytes\r\nContent-Range: bytes {start}-{len(data) - 1}/{len(data)}"
        )
    body = data[start:]
    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
    if manner == "dribbles":
        for at in range(len(body)):
            connection.sendall(body[at : at + 1])
            if server.stop.wait(0.2):
                return
    connection.sendall(body[: len(body) // 2] if manner in ("stalls", "closes") else body)
    if manner == "stalls":
        server.stop.wait()
