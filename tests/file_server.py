"""Web servers for tests, which answer well, badly and not at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events


@dataclass
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    connection: int


Answer = bytes | Callable[[socket.socket, Asked], None]


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """An answer of HTTP/1.1 with its length, unless a header says another; underscores in names mean hyphens."""
    named = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"elsewhere", status, Location=location)


@dataclass
class FileServer:
    """Answers each path as ``answers`` says: with these bytes as they are, or by calling; others with 404."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    num_connections: int = 0
    port: int = 0

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def serve_connection(self, connection: socket.socket, number: int) -> None:
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                part = connection.recv(65536)
                if not part:
                    return
                received += part
                if received.startswith(b"\x16"):  # A handshake of TLS, which this server does not speak.
                    return
            head, _, received = received.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            asked = Asked(first.split(" ")[1], headers, number)
            self.asked.append(asked)
            reply = self.answers.get(asked.path, answer(b"nothing here", "404 Not Found"))
            if callable(reply):
                reply(connection, asked)
            else:
                connection.sendall(reply)


Http2Answer = Callable[[socket.socket, h2.connection.H2Connection, int], None]


@dataclass
class Http2Server(FileServer):
    """The same over HTTP/2; answers are bodies, or send what they like."""

    answers: dict[str, bytes | Http2Answer] = field(default_factory=dict)  # type: ignore[assignment]

    def serve_connection(self, connection: socket.socket, number: int) -> None:
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        while received := connection.recv(65536):
            for event in state.receive_data(received):
                if isinstance(event, h2.events.RequestReceived):
                    headers = {name.decode(): value.decode() for name, value in event.headers}
                    self.asked.append(Asked(headers[":path"], headers, number))
                    reply = self.answers[headers[":path"]]
                    if callable(reply):
                        reply(connection, state, event.stream_id)
                    else:
                        state.send_headers(event.stream_id, [(":status", "200"), ("etag", '"h2"')])
                        send_frames(state, event.stream_id, reply)
                        state.end_stream(event.stream_id)
            connection.sendall(state.data_to_send())


def send_frames(state: h2.connection.H2Connection, stream: int, body: bytes) -> None:
    """A body that the window has room for, in frames as long as they may be."""
    for begin in range(0, len(body), 16_384):
        state.send_data(stream, body[begin : begin + 16_384])


@contextmanager
def serving(server: FileServer, tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Serve on a free port of this machine until the ``with`` block ends, each connection by a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket, number: int) -> None:
        # What clients break off, and the end of a test, show as errors here.
        with contextlib.suppress(OSError), connection:
            if tls is None:
                server.serve_connection(connection, number)
            else:
                with tls.wrap_socket(connection, server_side=True) as encrypted:
                    connections.append(encrypted)
                    server.serve_connection(encrypted, number)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                server.num_connections += 1
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection, server.num_connections), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)


def dripping(connection: socket.socket, asked: Asked) -> None:
    """A byte now and then, so that no single read takes long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def dripping_head(connection: socket.socket, asked: Asked) -> None:
    """The same, before the head of the answer is complete."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def silent(connection: socket.socket, asked: Asked) -> None:
    """Nothing, until the client leaves."""
    connection.recv(1)


def breaking_off(connection: socket.socket, asked: Asked) -> None:
    """A reset in the middle of the file."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def ending_early(connection: socket.socket, asked: Asked) -> None:
    """Fewer bytes than promised, and a proper end of the connection."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100)
    connection.shutdown(socket.SHUT_RDWR)


def endless(connection: socket.socket, asked: Asked) -> None:
    """More and more, with no length said."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)
