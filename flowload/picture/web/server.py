"""The page and its numbers over HTTP, on this machine alone unless told otherwise; a thread a request."""

from __future__ import annotations

import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from time import monotonic
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from flowload.adapters.hosts import is_asked
from flowload.picture.svg.palette import variables

from .board import Boards

__all__ = ["Server", "serve_boards"]

HOST = "127.0.0.1"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: What is served as it is: everything in `page/`, by its own name.
PAGES = (
    "page.html",
    "page.css",
    "icon.svg",
    "marks.js",
    "history.js",
    "trace.js",
    "drawing.js",
    "columns.js",
    "panel.js",
    "page.js",
)
ASKED = {"/stats.json", "/dump.txt", "/trace.json", "/metrics"}
WATCHED = 5.0  #: seconds after a page's last question in which it counts as open
#: With every answer. The page runs and shows what comes from here alone, nothing that came in with a name of
#: a stage; no other page may frame it, read it, or hear of its address.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Handler(BaseHTTPRequestHandler):
    """Answers a page."""

    server: Server

    def do_GET(self) -> None:
        """Answer, and only under a name of this machine: another site's page must not read it."""
        if not self.server.means_me(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        asked = urlsplit(self.path)
        words = {name: values[-1] for name, values in parse_qs(asked.query).items()}
        name = asked.path.removeprefix("/") or "page.html"
        if name in PAGES:
            content = files("flowload.picture").joinpath("page", name).read_bytes()
            self.answer(content, f"{KINDS['.' + name.rpartition('.')[2]]}; charset=utf-8")
        elif name == "drawing.css":
            self.answer(variables().encode(), "text/css; charset=utf-8")
        elif name in ("graph", "state"):
            self.server.asked_at = monotonic()
            made = self.graph(words) if name == "graph" else self.state(words)
            self.answer(made, "application/json")
        elif asked.path in ASKED:
            self.tell(name, words)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def graph(self, words: dict[str, str]) -> bytes:
        """What does not change of a board."""
        board = self.server.boards.find(words.get("board", ""))
        made = {"key": "", "runs": []} if board is None else {"key": board.key, **board.graph()}
        return json.dumps(made).encode()

    def state(self, words: dict[str, str]) -> bytes:
        """What is new of it."""
        boards = self.server.boards
        board = boards.find(words.get("board", ""))
        since = [int(word) for word in words.get("since", "").split(",") if word.isdecimal()]
        head = json.dumps({"key": "" if board is None else board.key, "boards": boards.titles()}).encode()
        body = b'"runs":[]' if board is None else board.state(since)
        return head[:-1] + b"," + body + b"}"

    def tell(self, what: str, words: dict[str, str]) -> None:
        """Statistics, a dump, a trace, metrics."""
        board = self.server.boards.find(words.get("board", ""))
        number = int(words["run"]) if words.get("run", "").isdecimal() else 0
        try:
            if board is None or number >= len(board.runs):
                raise LookupError("there is no such run")
            content, kind = board.runs[number].ask(what)
        except LookupError as error:
            self.send_error(HTTPStatus.NOT_FOUND, str(error.args[0]) if error.args else None)
            return
        self.answer(content, kind, name=what if what != "metrics" else "")

    def answer(self, content: bytes, kind: str, name: str = "") -> None:
        """Send it."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if name:
            self.send_header("Content-Disposition", f'inline; filename="flowload-{name}"')
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        """Add what goes with every answer, errors included."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silence: twice a second would be too much."""

    def address_string(self) -> str:
        """Whoever asks; a Unix socket has no address."""
        return str(self.client_address)


class Server(ThreadingHTTPServer):
    """The page's server."""

    daemon_threads = True

    def __init__(self, boards: Boards, port: int = 0, host: str = HOST) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)
        self.boards = boards
        self.host = host
        self.asked_at = float("-inf")

    @property
    def watched(self) -> bool:
        """Somebody has the page open."""
        return monotonic() - self.asked_at < WATCHED

    def means_me(self, header: str) -> bool:
        """Whether a request's `Host` is a name of this server."""
        return is_asked(header, self.host)

    @property
    def url(self) -> str:
        """What to open."""
        port = cast("tuple[str, int]", self.server_address)[1]
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that went while it was answered is no error of anybody's."""


def serve_boards(boards: Boards, port: int = 0, host: str = HOST) -> Server:
    """Start serving in a thread; port 0: one that is free. Raises OSError where it is taken."""
    server = Server(boards, port, host)
    threading.Thread(
        target=server.serve_forever, args=(0.1,), name="flowload-watch-page", daemon=True
    ).start()
    return server
