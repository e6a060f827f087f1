"""`fl.watch`: a run that user code started has its page, whatever becomes of it, and nothing is left."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import flowload as fl
from flowload.graph import Graph
from flowload.picture.web.watch import Watch
from tests.picture.graphs import three
from tests.suite.warm import run_warm
from tests.threads import none_left

ROOT = Path(__file__).parents[3]


def fetch(page: Watch, what: str) -> Any:
    with urllib.request.urlopen(page.url + what, timeout=20) as answer:
        content = answer.read()
    return json.loads(content) if what.startswith(("state", "graph", "stats")) else content


def last(page: Watch) -> Any:
    """The last moment that the page shows, after one more look."""
    page.look()
    return fetch(page, "state?since=0")["runs"][0]["moments"][-1]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with none_left():
        yield
        gc.collect()


def test_the_page_has_the_numbers_of_stats_at_that_moment() -> None:
    with three().iterate(epochs=None) as batches, fl.watch(batches, title="mine") as page:
        for _ in range(5):
            next(batches)
        shown = last(page)
        stats = batches.stats()
        assert fetch(page, "graph")["title"] == "mine"
        names = [row["name"] for row in fetch(page, "graph")["runs"][0]["rails"]["rows"]]
        assert names == [*stats.stages, "output 'out'"]
        assert shown["top"]["samples"] == f"{stats.delivered} samples"
        asked = fetch(page, "stats.json")
        assert asked["delivered"] == stats.delivered
        assert asked["consumers"]["out"]["samples"] == stats.delivered
        assert asked["memory_rss"] > 1 << 20
        taken = shown["stages"][-1][0]["rows"]
        assert ["batches taken", "5", -1] in taken


@pytest.mark.slow
def test_dump_trace_and_metrics_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.picture.record.asked.TRACED", 0.2)
    pytest.importorskip("prometheus_client")
    with three().iterate(epochs=None) as batches, fl.watch(batches) as page:
        next(batches)
        assert fetch(page, "dump.txt").endswith(b"\n")
        assert b"flowload_delivered_samples_total" in fetch(page, "metrics")
        got: list[Any] = []
        asking = threading.Thread(target=lambda: got.append(json.loads(fetch(page, "trace.json"))))
        asking.start()
        while asking.is_alive():
            next(batches)
        assert {event["name"] for event in got[0]["traceEvents"]} >= {"add", "cut"}
        assert batches.recording is None


def test_a_run_may_begin_later_end_and_be_asked_afterwards() -> None:
    batches = three().iterate()
    with fl.watch(batches) as page:
        page.look()
        assert fetch(page, "state?since=0")["runs"][0] | {"gone": 0} == {
            "last": 0, "gone": 0, "ended": False, "begun": False, "moments": []
        }  # fmt: skip
        with batches:
            taken = sum(len(batch) for batch in batches)
        shown = last(page)
        assert shown["say"]["state"] == "over"
        assert shown["top"]["samples"] == f"{taken} samples"
        assert fetch(page, "stats.json")["delivered"] == taken
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(page, "dump.txt")
        caught.value.close()


def test_a_run_that_fails_says_where() -> None:
    def bad(value: Any) -> Any:
        raise ValueError("<b>no such thing</b>")

    graph = fl.source(lambda: iter(range(9))) >> fl.map(bad, workers=1).named("spoilt")
    with graph.iterate() as batches, fl.watch(batches) as page:
        with pytest.raises(ValueError, match="no such thing"):
            next(batches)
        shown = last(page)
        assert shown["say"]["state"] == "failed"
        assert ["spoilt", "stage:spoilt"] in shown["say"]["head"]
        assert "ValueError: <b>no such thing</b>" in shown["say"]["sub"][0][0]
        marks = [cell["mark"] for cell in shown["cells"]]
        assert marks == ["", "limit", ""]


def test_a_run_that_is_never_read_is_empty_and_one_that_is_left_says_so() -> None:
    with fl.watch(batches := three().iterate(epochs=None)) as page:
        with batches:
            assert last(page)["say"]["state"] == "empty"
        assert last(page)["say"]["state"] == "left"


def test_it_does_not_keep_a_run_alive() -> None:
    batches: Any = three().iterate(epochs=None)
    next(batches)
    page = fl.watch(batches)
    page.look()
    del batches
    gc.collect()
    assert last(page)["say"]["state"] == "left"
    page.close()
    page.close()


def queues(batches: Any) -> list[tuple[bool, int]]:
    """Of each: whether it is full, and how many blocks have passed."""
    return [(edge.blocks == edge.capacity, edge.passed) for edge in batches.stats().edges]


def test_a_stall_is_seen_and_a_slow_trainer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.picture.record.feed.STALLED", 0.0)
    go_on, reached = threading.Event(), threading.Event()

    def held(value: int) -> int:
        reached.set()
        go_on.wait(30)
        return value

    graph = fl.source(lambda: iter(range(9))) >> fl.map(held, workers=1)
    with graph.iterate() as batches, fl.watch(batches) as page:
        reader = threading.Thread(target=lambda: list(batches))
        reader.start()
        reached.wait(30)
        shown = last(page)
        while ["map", "stage:map"] not in shown["say"]["head"]:  # the source may still be at work
            shown = last(page)
        go_on.set()
        assert shown["say"]["state"] == "stalled"
        assert "held" in shown["say"]["sub"][0][0]
        assert shown["panel"][0]["title"] == "what each thread is at"
        reader.join()
    with three().iterate(epochs=None) as batches, fl.watch(batches) as page:
        next(batches)
        while True:  # what nobody reads is made ahead for a while: at rest is what moved in neither look
            before, shown, after = queues(batches), last(page), queues(batches)
            if before == after and all(full for full, _ in after):
                break
        assert shown["say"]["state"] == ""


async def streamed(check: Callable[[Watch, Any], None]) -> None:
    async with three().stream(epochs=None) as batches:
        with fl.watch(batches) as page:
            async for _ in batches:
                break
            check(page, batches)


def test_a_stream_is_watched_too() -> None:
    def check(page: Watch, batches: Any) -> None:
        assert last(page)["top"]["samples"] == f"{batches.stats().delivered} samples"

    anyio.run(streamed, check)


def test_several_outputs_each_have_their_row() -> None:
    split = fl.source(lambda: iter(range(60))) >> fl.tee("a", "b")
    graph: Graph = fl.outputs(train=split["a"], valid=split["b"])
    with graph.iterate() as batches, fl.watch(batches) as page:
        next(batches["train"])
        for _ in range(2):
            next(batches["valid"])
        rows = fetch(page, "graph")["runs"]
        shown = last(page)
        rows = fetch(page, "graph")["runs"][0]["rails"]["rows"]
        by_name = dict(zip([row["name"] for row in rows], shown["stages"], strict=True))
        assert ["samples taken", "1", -1] in by_name["output 'train'"][0]["rows"]
        assert ["samples taken", "2", -1] in by_name["output 'valid'"][0]["rows"]


def test_an_open_page_has_the_end_before_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    page_of: list[Watch] = []
    ends: list[str] = []
    asked = threading.Event()

    def asks() -> None:
        while "over" not in ends:
            try:
                moments = fetch(page_of[0], "state?since=0")["runs"][0]["moments"]
            except OSError:
                return
            ends.append(moments[-1]["say"]["state"] if moments else "")
            asked.set()

    with fl.watch(batches := three().iterate()) as page:
        page_of.append(page)
        with batches:
            next(batches)
            thread = threading.Thread(target=asks)
            thread.start()
            asked.wait(30)
            list(batches)
    thread.join()
    assert ends[-1] == "over"


def test_statistics_that_fail_are_told_once_and_looking_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with three().iterate(epochs=None) as batches, fl.watch(batches) as page:
        next(batches)
        with monkeypatch.context() as patch:
            patch.setattr(type(batches), "stats", lambda _: 1 / 0)
            for _ in range(3):
                page.look()
        assert [record.message for record in caplog.records if "looked at" in record.message] == [
            "a run cannot be looked at: ZeroDivisionError: division by zero"
        ]
        assert last(page)["top"]["samples"] == f"{batches.stats().delivered} samples"


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing() -> None:
    with fl.watch(three().iterate()) as page:
        port = int(page.url.rstrip("/").rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            fl.watch(three().iterate(), port=port)


SCRIPT = """
import flowload as fl, os, sys, urllib.request, json, threading
graph = fl.source(lambda: iter(range(100))) >> fl.map(abs, workers=1)
kept = []  # a run that is over before the page has looked, and that nobody has, was never seen
for _ in range(2):
    with graph.iterate() as batches:
        for _ in batches: pass
    kept.append(batches)
graph.iterate()
url = sys.argv[1] if len(sys.argv) > 1 else ""
from flowload import picture
watchers = fl.Graph.engine.watchers
page = watchers[0].__self__.page if watchers else None
if page:
    page.look()
    found = json.load(urllib.request.urlopen(page.url + "state?since=0"))
    print(len(found["boards"]), found["runs"][0]["moments"][-1]["say"]["state"])
    if pid := os.fork():
        os.waitpid(pid, 0)
    else:
        list(graph.iterate()) if False else None
        os._exit(0)
else:
    print("no page", "flowload.picture.web.watch" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "told"), [("1", "2 over"), ("0", "no page False"), ("", "no page False")])
def test_the_environment_asks_for_a_page_of_every_run(asked: str, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env={**os.environ, "FLOWLOAD_WATCH": asked},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == told
    assert done.stderr.count("flowload: watch at http://127.0.0.1:") == (1 if asked == "1" else 0)


WAYS = ["raise KeyboardInterrupt", "raise SystemExit(3)", "1/0", "os.kill(os.getpid(), 15)"]


@pytest.mark.slow
@pytest.mark.parametrize("how", WAYS)
def test_every_way_out_of_a_script_ends_its_page(how: str) -> None:
    script = (
        "import flowload as fl, os\n"
        "graph = fl.source(lambda: iter(range(100)))\n"
        "with graph.iterate(epochs=None) as batches, fl.watch(batches) as page:\n"
        f"    next(batches)\n    {how}\n"
    )
    done = run_warm("-c", script)
    assert done.returncode in (1, 3, 130, -2, -15)
    assert "flowload-watch" not in done.stderr


def test_looking_costs_nothing_where_nobody_looks() -> None:
    with fl.watch(three().iterate()) as page:
        assert not page.watched
        fetch(page, "state")
        assert page.watched
