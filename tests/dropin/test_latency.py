"""`ChunkLatencyStats`: plain arithmetic."""

from __future__ import annotations

import pytest

from flowload.dropin import ChunkLatencyStats


def test_figures_in_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    stats = ChunkLatencyStats()
    for seconds in (0.2, 0.001, 0.003):
        stats.record_chunk_get(seconds)
    stats.record_batch_times(forward=0.010, backward=0.020, step=0.003)
    stats.record_batch_times(0.030, 0.040, 0.005)
    assert stats.get_summary() == pytest.approx(
        {
            "chunk_get_mean_ms": 68.0,
            "chunk_get_max_ms": 200.0,
            "chunk_get_min_ms": 1.0,
            "batch_forward_mean_ms": 20.0,
            "batch_backward_mean_ms": 30.0,
            "batch_step_mean_ms": 4.0,
            "num_chunks": 3,
            "num_batches_sampled": 2,
        }
    )
    assert stats.chunk_get_mean_ms == pytest.approx(68.0)
    stats.print_summary()
    assert capsys.readouterr().out == (
        "chunks: 3; waits in ms: mean 68.0, shortest 1.0, longest 200.0\n"
        "batches: 2 timed; means in ms: forward 20.00, backward 30.00, step 4.00\n"
    )


def test_nothing_was_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    stats = ChunkLatencyStats()
    assert set(stats.get_summary().values()) == {0.0}
    stats.print_summary()
    assert capsys.readouterr().out == "chunks: 0; waits in ms: mean 0.0, shortest 0.0, longest 0.0\n"


def test_each_has_its_own() -> None:
    ChunkLatencyStats().record_chunk_get(1.0)
    assert ChunkLatencyStats().chunk_get_times == []
