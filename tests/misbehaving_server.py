"""A file server on this machine that misbehaves in every way that servers do, one request after the other."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Longer than a few chunks, and no two places alike.
CONTENT = b"".join(hashlib.sha256(str(index).encode()).digest() for index in range(120_000))
SIZE = len(CONTENT)
HALF = SIZE // 2
SHARE = 1_200_000  # what comes before the server drops or stalls: more than counts as progress


class Server(ThreadingHTTPServer):
    """Serves CONTENT; ``script`` names the misbehaviour of each request in turn, the rest are answered well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[str] = []
        self.asked: list[str | None] = []  # the Range header of every request
        self.hang = threading.Event()  # set when the test is over

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        how = self.server.script.pop(0) if self.server.script else "well"
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if how.isdigit():
            self.send_error(int(how))
        elif how == "redirect" or how.startswith("http:"):
            self.send_response(302)
            self.send_header("Location", "/elsewhere" if how == "redirect" else how)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.answer(how, 0 if how == "ignore range" else start)

    def answer(self, how: str, start: int) -> None:
        body = CONTENT[start:]
        if how == "wrong bytes":
            body = bytes(SIZE - start)
        elif how == "too much":
            body += b"more"
        elif how in ("other range", "no content range"):
            body = CONTENT[7:]
        self.send_response(206 if start else 200)
        if start and how != "no content range":
            shown = 7 if how == "other range" else start
            self.send_header("Content-Range", f"bytes {shown}-{SIZE - 1}/{SIZE}")
        if how not in ("too much", "no length"):
            length: object = {"says less": HALF, "says more": SIZE + 1, "login page": 31, "odd length": "²"}.get(
                how, len(body)
            )
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if how == "drop":
            self.wfile.write(body[:SHARE])
        elif how == "drop at once":
            pass
        elif how == "stall":
            self.wfile.write(body[:SHARE])
            self.wfile.flush()
            self.server.hang.wait(30)
        elif how == "trickle":
            while not self.server.hang.wait(0.02):
                self.wfile.write(b"x")
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
