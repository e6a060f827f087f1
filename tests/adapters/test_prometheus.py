"""Metrics as Prometheus scrapes them, read by the client library's own parser."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

import pytest

from flowload.errors import DataError, MissingExtra
from flowload.graph import Graph
from flowload.observe.stats import RunStats
from tests.runtime.stages import Does, Ints, numbers, rebatch, step

pytest.importorskip("prometheus_client", reason="the extra 'metrics' is not installed")

from prometheus_client import parser

from flowload.adapters.prometheus import Collector, serve_metrics
from tests.threads import none_left


def graph() -> Graph:
    def drops(block: Ints, call: object) -> Ints:
        call.drop(1, "odd")  # type: ignore[attr-defined]  # a Call
        call.missing(1, DataError("missing", where="x"))  # type: ignore[attr-defined]
        return block.select(slice(1, None))

    return numbers(60, 3) >> step(lambda: Does(drops), name="drop") >> rebatch(4, name="cut")


def scrape(address: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name, then by labels."""
    with urllib.request.urlopen(address, timeout=20) as answer:
        text = answer.read().decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sample.labels[key] for key in sorted(sample.labels, reverse=True))
            found.setdefault(sample.name, {})[labels] = sample.value
            assert family.type == ("counter" if sample.name.endswith("_total") else "gauge")
    return found


def test_a_scrape_gives_the_numbers_of_the_run() -> None:
    with none_left(), graph().iterate(cpus=2) as batches, serve_metrics(batches) as address:
        count = sum(len(batch) for batch in batches)
        found, stats = scrape(address), batches.stats()
    assert isinstance(stats, RunStats)
    assert found["flowload_delivered_samples_total"][()] == count == 40
    for name, stage in stats.stages.items():
        assert found["flowload_stage_samples_total"][name, "in"] == stage.in_
        assert found["flowload_stage_samples_total"][name, "out"] == stage.out
        assert found["flowload_stage_busy_seconds_total"][name,] == stage.busy
        assert found["flowload_stage_held_samples"][name,] == 0
    assert found["flowload_stage_dropped_samples_total"]["drop", "odd"] == 20
    assert found["flowload_stage_missing_samples_total"]["drop",] == 20
    assert found["flowload_queue_capacity_blocks"]["cut", "drop"] == 2
    assert found["flowload_stage_call_seconds"]["drop", "0.95"] > 0


def test_before_the_run_begins_there_is_nothing() -> None:
    assert list(Collector(graph().iterate()).collect()) == []


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra, match="flowload\\[metrics\\]"), serve_metrics(graph().iterate()):
        pass


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9000", "127.0.0.1.evil.example"])
def test_another_name_gets_no_numbers(host: str) -> None:
    with none_left(), graph().iterate(cpus=2) as batches, serve_metrics(batches) as address:
        next(batches)
        assert scrape(address)
        request = urllib.request.Request(address, headers={"Host": host})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=20)
        assert caught.value.code == 421
        assert b"flowload_" not in caught.value.read()
        caught.value.close()


def test_a_name_that_was_told_gets_them() -> None:
    with graph().iterate(cpus=2) as batches, serve_metrics(batches, names=["metrics.cluster"]) as address:
        next(batches)
        request = urllib.request.Request(address, headers={"Host": "metrics.cluster"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert b"flowload_" in answer.read()
