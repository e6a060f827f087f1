"""Two formats in one stream: bad data for the folds that hold records or references, under either policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import flowload as fl
from flowload.errors import DataError
from flowload.formats.lc0.format import FORMAT, Lc0
from flowload.sample import sample_path

OTHER = replace(Lc0(), name="other")
TARS = [str(path) for path in sorted(Path(sample_path("chess")).glob("*.tar"))]


def mixed(tail: fl.Graph) -> fl.Graph:
    """One tar as one format, another as another, in turn."""
    heads = [fl.discover(tar) >> fl.read(form) for tar, form in zip(TARS[:2], (FORMAT, OTHER), strict=True)]
    return heads >> (fl.merge() >> tail)


@pytest.mark.parametrize(
    ("stage", "tail"),
    [
        ("shuffle_pool", fl.shuffle_pool(100, on_error="skip") >> fl.unpack()),
        ("reservoir", fl.unpack() >> fl.reservoir(10, on_error="skip")),
    ],
)
def test_skipped_it_is_counted_and_the_books_balance(stage: str, tail: fl.Graph) -> None:
    with mixed(tail).iterate() as run:
        frames = sum(len(block) for block in run)
        stats = run.stats().stages[stage]
    assert frames > 1000
    assert sum(stats.dropped.values()) > 0
    assert all(reason.startswith("another format") for reason in stats.dropped)
    assert stats.in_ == stats.out + sum(stats.dropped.values()) + stats.held


@pytest.mark.parametrize("tail", [fl.shuffle_pool(100), fl.unpack() >> fl.reservoir(10)])
def test_it_ends_the_run_otherwise(tail: fl.Graph) -> None:
    with pytest.raises(DataError, match="another format"), mixed(tail).iterate() as run:
        list(run)
