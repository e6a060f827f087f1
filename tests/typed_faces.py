"""What a type checker says of uses of the public words; read by mypy in tests/test_typed_faces.py, never run.

A line that must be refused ends with the code of its error, as in `# E: attr-defined`; no other may be.
"""

# ruff: noqa: B018, B007

from typing import Any, assert_type

import flowload as fl
from flowload.graph.faces import Batches, Stream
from flowload.observe.stall import Dump
from flowload.observe.stats import RunStats, StageStats
from flowload.observe.trace import Trace

graph = fl.rows(100) >> fl.shuffle() >> fl.batch(10, drop_last=True)
assert_type(graph, fl.Graph)
parts = fl.rows(100) >> fl.split(train=0.8, valid=0.2)
assert_type(parts["train"], fl.Graph)
assert_type(parts["train"] >> fl.batch(4), fl.Graph)
assert_type(len(graph), int)

parts.train  # E: attr-defined
graph.iterat()  # E: attr-defined
fl.batsh(4)  # E: attr-defined
fl.batch("4")  # E: arg-type
fl.batch(4, lay_out="bits")  # E: call-arg
fl.map(len, worker=2)  # E: call-arg
fl.map(len, on_error="ignore")  # E: arg-type
graph.iterate(sed=1)  # E: call-arg
graph.iterate(seed="1")  # E: arg-type
graph.iterate(even="yes")  # E: arg-type
fl.rows(100).batch(4)  # E: attr-defined


def blocking() -> None:
    with graph.iterate(seed=1, epochs=None) as batches:
        assert_type(batches, Batches)
        assert_type(batches.stats(), RunStats)
        assert_type(batches.stats().stages["batch"], StageStats)
        assert_type(batches.dump(), Dump)
        assert_type(batches.recording, Trace | None)
        assert_type(batches.epoch, int)
        assert_type(batches["out"].epoch, int)
        assert_type(len(batches["out"]), int)
        batches.record(Trace())
        batches.record(None)
        batches.record("trace.json")  # E: arg-type
        batches.stat()  # E: attr-defined
        batches.stats().stage  # E: attr-defined
        batches.epochs  # E: attr-defined
        batches["out"].epohc  # E: attr-defined
        for batch in batches:
            assert_type(batch, Any)


async def streaming() -> None:
    async with graph.stream(align=True) as stream:
        assert_type(stream, Stream)
        assert_type(stream.stats(), RunStats)
        assert_type(stream.dump(), Dump)
        assert_type(stream.recording, Trace | None)
        assert_type(stream["out"].epoch, int)
        stream.statistics  # E: attr-defined
        for batch in stream:  # E: attr-defined
            pass
        async for batch in stream["out"]:
            assert_type(batch, Any)
