"""Snapshots are plain values that JSON can hold."""

from __future__ import annotations

import json

import flowload as fl
from flowload.observe.stats import EdgeStats, ExecutorStats, RunStats, StageStats, TaskStats


def stage(name: str) -> StageStats:
    return StageStats(
        name=name,
        in_=10,
        out=7,
        dropped={"bad": 2},
        held=1,
        blocks_in=2,
        blocks_out=1,
        bytes_out=56,
        rate=3.5,
        rate_overall=7.0,
        busy=0.5,
        starved=0.25,
        blocked=0.125,
        workers=2,
        running=1,
        service=0.25,
        gauges={"padding_efficiency": 0.75},
    )


def run() -> RunStats:
    return RunStats(
        stages={"read": stage("read"), "batch": stage("batch")},
        edges=(EdgeStats("read", "batch", 1, 8, 2, 0.5, 2, 7, 70, 560),),
        elapsed=2.0,
        delivered=7,
        blocks_delivered=1,
        consumer_wait=0.1,
        loop_time=0.01,
        buffers_leased=1,
        buffers_made=3,
        buffer_bytes=4096,
        seed=5,
        finished=False,
        executors=(ExecutorStats("kernel", 2, 1, 3, 100, 0.5, 0.1),),
        tasks=(TaskStats("read", {"read": 0.5}, 2, 1, "kernel", 0.4, 0.1, 0.25, 0.125),),
    )


def test_as_json_is_plain_and_complete() -> None:
    plain = run().as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert set(plain) == set(RunStats._fields)
    assert list(plain["stages"]) == ["read", "batch"]
    assert set(plain["stages"]["read"]) == {name.rstrip("_") for name in StageStats._fields}
    assert plain["stages"]["read"]["in"] == 10
    assert plain["stages"]["read"]["dropped"] == {"bad": 2}
    assert plain["edges"] == [
        {
            "source": "read",
            "target": "batch",
            "blocks": 1,
            "nbytes": 8,
            "capacity": 2,
            "mean": 0.5,
            "p95": 2,
            "passed": 7,
            "samples": 70,
            "passed_bytes": 560,
        }
    ]
    assert plain["tasks"][0]["work"] == {"read": 0.5}
    assert plain["executors"][0]["name"] == "kernel"


def test_a_snapshot_does_not_change() -> None:
    one = run()
    one.as_json()["stages"]["read"]["in"] = 0
    assert one == run()


def test_a_run_prints_as_a_table() -> None:
    with (fl.rows(1000) >> fl.batch(300)).iterate() as batches:
        for _ in batches:
            pass
    head, first, second, empty, last = str(batches.stats()).split("\n")
    assert head.split() == ["stage", "in", "out", "rate", "busy", "queue", "dropped"]
    assert first.split()[:3] == ["rows", "1,000", "1,000"]
    assert second.split()[:3] == ["batch", "1,000", "1,000"]
    assert empty == ""
    assert last.startswith("4 batches, 1,000 samples in ")
    assert len({line.index("in") if line is head else 0 for line in (head, first)}) == 2
    assert f"{batches.stats()}" == str(batches.stats())


def test_a_notebook_shows_the_table_and_no_markup_of_a_name() -> None:
    with (fl.rows(10).named("<b>") >> fl.batch(3)).iterate() as batches:
        for _ in batches:
            pass
    shown = batches.stats()._repr_html_()
    assert shown.startswith("<pre>stage")
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
