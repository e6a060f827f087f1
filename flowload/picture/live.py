"""A page on this machine that shows a run moving: all it needs comes from here; it stops with the run."""

from __future__ import annotations

import json
import threading
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from flowload.adapters.hosts import is_asked
from flowload.cli.drive import Drive
from flowload.cli.sheet import plain
from flowload.graph import Graph
from flowload.observe.stats import RunStats
from flowload.observe.verdict import judge

from .layout import Layout, arrange
from .scene import Scene, scene_of
from .svg import to_svg
from .watcher import Watcher

__all__ = ["Live", "live", "serve"]

#: What is served as it is: path, file, kind.
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
LATELY, WINDOW = 4, 30  #: moments: shares and rates are those of 2 s, the verdict is that of 15 s
POINTS = 120  #: moments of a sparkline
PARTING = 1.5  #: seconds in which open pages may fetch the end
HOST = "127.0.0.1"
#: With every answer. The page runs and shows what comes from here alone, nothing that came in with a name of
#: a stage; no other page may frame it, read it, or hear of its address.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Live:
    """What the live page shows: the picture, and numbers and histories of all stages, as JSON values."""

    def __init__(self, graph: Graph, watcher: Watcher, title: str) -> None:
        self.graph = graph
        self.watcher = watcher
        self.title = title
        self.ended = ""
        self.fetched_end = threading.Event()

    def state(self) -> dict[str, Any]:
        """This moment: the picture, numbers and histories of all stages."""
        moments = list(self.watcher.moments)
        ended = self.ended
        if ended:
            self.fetched_end.set()
        if not moments:
            return {"ended": ended, "svg": "", "title": self.title, "stages": [], "stats": None}
        now, lately = moments[-1], moments[-1 - min(LATELY, len(moments) - 1)]
        scene = scene_of(
            self.graph,
            now,
            None if lately is now else lately,
            self.title,
            verdict=judge(now, warm(moments[-1 - WINDOW :])),
        )
        histories = history(moments[-POINTS:], self.graph)
        stages = [
            {"name": box.name, "rate": box.rate, "figures": box.figures, "lost": box.lost, "mark": box.mark,
             "details": box.details, **histories.get(box.name, {"rates": [], "depths": []})}
            for box in scene.boxes
        ]  # fmt: skip
        return {
            "ended": ended,
            "title": scene.title,
            "svg": to_svg(scene, self.layout(scene)),
            "stages": stages,
            "verdict": list(scene.verdict),
            "stats": plain(now.as_json()),
        }

    def layout(self, scene: Scene) -> Layout:
        """Computed once: sizes do not depend on numbers."""
        self._scene = scene
        return self._layout

    @cached_property
    def _layout(self) -> Layout:
        return arrange(self._scene)


def warm(moments: list[RunStats]) -> RunStats | None:
    """The first moment with a batch: what was before is no measure of the rest."""
    found = next((moment for moment in moments if moment.delivered), None)
    return None if found is moments[-1] else found


def history(moments: list[RunStats], graph: Graph) -> dict[str, dict[str, list[float]]]:
    """Rates given out, and blocks that wait for it, of every stage, moment by moment."""
    found: dict[str, dict[str, list[float]]] = {}
    for placed in graph.plan.nodes:
        name = placed.name
        rates = [
            (two.stages[name].out - one.stages[name].out) / max(1e-9, two.elapsed - one.elapsed)
            for one, two in pairwise(moments)
        ]
        depths = [sum(edge.blocks for edge in moment.edges if edge.target == name) for moment in moments[1:]]
        found[name] = {"rates": rates, "depths": [float(depth) for depth in depths]}
    return found


class Handler(BaseHTTPRequestHandler):
    """The page with its style and its script, and the present state."""

    server: Server

    def do_GET(self) -> None:
        """Answer, and only under a name of this machine: another site's page must not read it."""
        if not is_asked(self.headers.get("Host", ""), HOST):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.path in FILES:
            name, kind = FILES[self.path]
            self.answer(Path(__file__).with_name(name).read_bytes(), kind)
        elif self.path == "/state":
            self.answer(json.dumps(self.server.live.state()).encode(), "application/json")
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def answer(self, content: bytes, kind: str) -> None:
        """Send it."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        """Add what goes with every answer, errors included."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silence: twice a second would be too much."""


class Server(ThreadingHTTPServer):
    """The page's server, on loopback."""

    daemon_threads = True

    def __init__(self, live: Live, port: int) -> None:
        super().__init__((HOST, port), Handler)
        self.live = live

    @property
    def address(self) -> str:
        """What to open."""
        return f"http://{HOST}:{self.server_address[1]}/"


def serve(live: Live, port: int = 0) -> Server:
    """Start serving in a thread; port 0: one that is free. click.ClickException where it is taken."""
    try:
        server = Server(live, port)
    except OSError as error:
        raise click.ClickException(f"--port {port}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, args=(0.1,), name="graphviz-page", daemon=True).start()
    return server


def live(drive: Drive, watcher: Watcher, title: str, port: int) -> None:
    """Run, and serve the page meanwhile."""
    page = Live(drive.graph, watcher, title)
    server = serve(page, port)
    try:
        click.echo(f"live at {server.address}")
        drive.run()
        page.ended = drive.ended
        page.fetched_end.wait(PARTING)
    finally:
        server.shutdown()
        server.server_close()
