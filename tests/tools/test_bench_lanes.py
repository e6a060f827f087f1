"""The bench of lanes works: passes are as long as asked, runs are read in turns. No test asks for time."""

from __future__ import annotations

from pathlib import Path

from flowload.sample import sample_path
from tools.bench.costs.lanes import MANY, ONE, Lanes, alone, graph_of, long_passes, steady

SAMPLE = str(sample_path("chess") / "*.tar")


def test_a_pass_has_as_many_bytes_as_asked() -> None:
    own = sorted(sample_path("chess").glob("*.tar"))
    size = sum(tar.stat().st_size for tar in own)
    with long_passes(SAMPLE, 2 * size + 1) as pattern:
        folder = Path(pattern).parent
        assert sorted(link.resolve() for link in folder.iterdir()) == sorted(tar.resolve() for tar in own * 3)
        assert len(graph_of(pattern, ONE).plan.nodes) == 7
    assert not folder.exists()


def test_every_stream_has_its_lanes() -> None:
    assert [str(how) for how in (ONE, *MANY)] == [
        "one stream",
        "12 lanes, batches in turn",
        "24 lanes, batches in turn",
        "24 lanes, rows of all",
    ]


def test_runs_are_read_in_turns_and_alone() -> None:
    with long_passes(SAMPLE, 1) as pattern:
        found = steady(pattern, (ONE, Lanes(2)), 1, warm=1, turn=1)
        first, _, estimate = alone(pattern, Lanes(2, across=True), 1)
        assert estimate == graph_of(pattern, Lanes(2, across=True)).memory()["total"]
    assert len(found) == 2
    assert min(found) > 0
    assert first > 0
