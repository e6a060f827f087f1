"""The doors to pictures: light to import, for most programs never draw one."""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any

from flowload.graph import Graph
from flowload.graph.keywords import names_keywords
from flowload.printable import printable

if TYPE_CHECKING:
    from flowload.picture.record.feed import Seen
    from flowload.picture.web.watch import Watch
    from flowload.runtime.engine import Runtime

__all__ = ["graph_bundle", "open_all", "run_bundle", "show_run", "watch"]

VARIABLE = "FLOWLOAD_WATCH"
OFF = ("", "0", "no", "off", "false")


@names_keywords
def watch(batches: Seen, *, title: str = "", port: int = 0, host: str = "127.0.0.1") -> Watch:
    """Serve a page that shows a run live: which stage is slow, and what every queue and worker does.

    ```python
    with graph.iterate(epochs=10) as batches, fl.watch(batches) as page:
        print(page.url)                      # open it: http://127.0.0.1:...
        for batch in batches:
            ...
    ```

    `FLOWLOAD_WATCH=1` in the environment does so for every run of a script, and prints the address. Of
    several ranks on one machine the first one's page shows all; the others have no page, and their `url` is
    empty. It costs less than 1 % of two CPUs while the page is open, a quarter of that while it is not, and
    nothing after it is closed.

    Args:
        batches: from `graph.iterate()` or `graph.stream()`; it may begin later, and is not kept alive.
        title: what the page calls it; what its outputs come from where nothing is said.
        port: where the page is; 0: one that is free.
        host: where to listen: this machine alone, unless told otherwise. Who can reach it can read it.

    Raises OSError where the port is taken.

    Examples:
        >>> graph = fl.rows({"x": np.arange(100)}) >> fl.batch(10)
        >>> with graph.iterate() as batches, fl.watch(batches) as page:
        ...     print(page.url.startswith("http://127.0.0.1:"), sum(1 for _ in batches))
        True 10
    """
    from flowload.picture.web.watch import Watch, title_of  # noqa: PLC0415 - a server is for those who want a page

    page = Watch(port, host)
    page.add(batches, title or title_of(batches))
    return page


def graph_bundle(graph: Graph) -> dict[str, str]:
    """What a notebook shows of a graph."""
    from .notebook import bundle_of  # noqa: PLC0415 - most programs never draw

    return bundle_of(graph)


def run_bundle(run: Any) -> dict[str, str]:
    """What a notebook shows of a run."""
    from .notebook import run_bundle as made  # noqa: PLC0415 - most programs never draw

    return made(run)


def show_run(run: Any) -> None:
    """Show a run in a notebook, while it runs. Raises NotImplementedError elsewhere."""
    from .notebook import show_run as shown  # noqa: PLC0415 - most programs never draw

    shown(run)


class Everything:
    """One page for all runs of a process, opened with the first."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process = os.getpid()
        self.page: Watch | None = None

    def add(self, run: Any) -> None:
        """One more run; a forked child opens a page of its own."""
        from flowload.picture.web.watch import Watch, title_of  # noqa: PLC0415 - see `watch`

        if self.process != os.getpid():  # a forked child has neither the threads nor the server
            self.page, self.process = None, os.getpid()
        if self.page is None:
            try:
                self.page = Watch(self.port)
            except OSError as error:
                print(f"flowload: {VARIABLE}: port {self.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
                self.page = Watch()
            if self.page.url:
                print(f"flowload: watch at {self.page.url}", file=sys.stderr, flush=True)  # noqa: T201
            atexit.register(self.page.close)
        self.page.add(run, printable(title_of(run)))


def open_all(engine: Runtime) -> None:
    """Let graphs and runs show themselves in notebooks; and every run on a page, if the environment says so.

    `FLOWLOAD_WATCH`: 1 serves a page with all runs of the process; a larger number is the page's port.
    """
    Graph.drawn = graph_bundle
    engine.show_by(run_bundle, show_run)
    asked = os.environ.get(VARIABLE, "").strip().lower()
    if asked not in OFF:
        port = int(asked) if asked.isdecimal() and 1 < int(asked) < 65536 else 0
        engine.watchers.append(Everything(port).add)
