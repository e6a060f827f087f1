"""What a notebook shows: a graph as its notation, a run as its picture, which goes on while the run does."""

from __future__ import annotations

import contextvars
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.graph.inspect.describe import describe
from flowload.picture.record.feed import Feed, Seen
from flowload.picture.record.tape import Tape
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import rails_of
from flowload.picture.scene.saying import plain
from flowload.picture.svg.drawing import svg
from flowload.picture.svg.notation import notation
from flowload.picture.svg.wanted import Wanted

__all__ = ["bundle_of", "run_bundle", "show_run"]

TICK = 1.0  #: seconds between two pictures
WIDTH, SHORT = 860.0, 4  #: of a picture; moments below which there is no history to show

Bundle = dict[str, str]  #: by kind of content


def bundle_of(graph: Graph) -> Bundle:
    """A graph."""
    memory = 0
    if not any(placed.open for placed in graph.plan.nodes):
        with suppress(GraphError):  # it is not complete: lanes want a batch behind them, say
            memory = graph.memory()["total"]
    return {"text/plain": repr(graph), "image/svg+xml": notation(rails_of(graph.describe(), "", memory))}


def run_bundle(run: Seen) -> Bundle:
    """A run at this moment; before it begins, its graph."""
    feed = Feed(run, "")
    moment = feed.look()
    return told(feed, run, [] if moment is None else [moment])


def told(feed: Feed, run: Seen | None, moments: list[Moment]) -> Bundle:
    """A run at its last moment."""
    if feed.rails is None or not moments:
        picture = "" if run is None else notation(rails_of(describe(run.plan)))
        return {"text/plain": "a run that has not begun", "image/svg+xml": picture}
    last = moments[-1]
    words = f"{plain(last['say']['head'])} {plain(last['say']['sub'])} {last['foot']}"
    wanted = Wanted(WIDTH, head=True, foot=last["foot"], history=len(moments) >= SHORT)
    return {"text/plain": words, "image/svg+xml": svg(feed.rails, moments, wanted)}


def in_kernel() -> bool:
    """Whether a notebook's kernel runs this process: elsewhere nobody can be shown another picture later."""
    ipython = sys.modules.get("IPython")
    shell: Any = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


def show_run(run: Seen) -> None:
    """Show a run where it is asked for, and again each second until it is over.

    Raises NotImplementedError outside a notebook, which makes IPython show what `_repr_mimebundle_` gives.
    """
    if not in_kernel():
        raise NotImplementedError
    from IPython.display import publish_display_data  # noqa: PLC0415 - it is there: its kernel runs

    feed, tape, name = Feed(run, ""), Tape[Moment](), {"display_id": uuid.uuid4().hex}
    moment = feed.look()
    if moment is not None:
        tape.add(moment)
    show = cast("Callable[..., None]", publish_display_data)
    show(told(feed, run, tape.moments()), transient=name)
    if feed.ended:
        return
    del run  # whoever reads it keeps it, not its picture

    def go_on() -> None:
        wait = threading.Event()
        while not feed.ended:
            wait.wait(TICK)
            seen = feed.look()
            if seen is not None:
                tape.add(seen)
                show(told(feed, None, tape.moments()), transient=name, update=True)

    context = contextvars.copy_context()  # which says to which cell the picture belongs
    threading.Thread(target=context.run, args=(go_on,), name="flowload-notebook", daemon=True).start()
