from __future__ import annotations

from rich.console import Console

from flowload.cli.view.table import HEAD, ahead, plain_table, progress, rows, summary, table
from flowload.observe.stats import NetworkStats, RunStats
from tests.observe.moments import edge, moment, stage


def test_a_row_says_what_a_stage_did_over_the_whole_run() -> None:
    now = moment(
        stage("unpack", in_=1000, out=900, dropped={"bad gzip": 90, "bad crc": 10}, rate=7)
        ._replace(busy=3.0, workers=2),
        edges=(edge("read", "unpack", 2, 4), edge("unpack", "batch", 1, 8)),
        elapsed=2.0,
    )  # fmt: skip
    assert rows(now) == [("unpack", "1,000", "900", "450/s", "75 %", "2/4", "100")]


def test_while_it_runs_rate_and_busy_time_are_those_of_the_last_moment() -> None:
    before = moment(stage(busy=5.0), elapsed=10.0)
    now = moment(stage(busy=5.1, rate=7, out=1000), elapsed=10.2)
    assert rows(now, before)[0][3:5] == ("7/s", "50 %")


def test_a_stage_that_was_not_there_before_is_measured_from_the_start() -> None:
    now = moment(stage(busy=0.2), elapsed=0.4)
    assert rows(now, moment(elapsed=0.3))[0][4] == "50 %"


def test_a_call_longer_than_a_moment_is_not_more_than_all_of_it() -> None:
    assert rows(moment(stage(busy=9.0), elapsed=1.2), moment(stage(), elapsed=1.0))[0][4] == "100 %"


def test_a_stage_without_a_queue_has_a_dash() -> None:
    assert rows(moment(stage()))[0][5] == "-"


def test_several_inputs_are_one_queue() -> None:
    now = moment(stage("merge"), edges=(edge("a", "merge", 1, 4), edge("b", "merge", 2, 4)))
    assert rows(now)[0][5] == "3/8"


def test_the_summary_counts_what_was_delivered() -> None:
    now = moment(elapsed=2.0, delivered=1000, blocks_delivered=10)
    assert list(summary(now, {"out": 10})) == ["10 batches, 1,000 samples in 2.0 s: 500/s"]


def test_the_summary_tells_what_came_over_the_network() -> None:
    now = moment(elapsed=2.0, delivered=1000, blocks_delivered=10)
    far = now._replace(network=NetworkStats(5, 1, 3 << 20, waiting=0.5))
    assert list(summary(far, {"out": 10}))[1:] == [
        "network: 3.0 MiB in 5 requests, 1 failed; stages waited for it 25 % of the time"
    ]


def test_the_summary_tells_several_outputs_apart() -> None:
    now = moment(elapsed=2.0, delivered=1000, blocks_delivered=10)
    assert list(summary(now, {"train": 9, "valid": 1}))[1] == "train 9, valid 1 batches"


def test_nothing_yet_is_no_division_by_zero() -> None:
    assert list(summary(moment(), {})) == ["0 batches, 0 samples in 0.0 s: 0/s"]
    assert progress(moment(), None) == "   0.0 s  0 batches, 0 samples, 0/s"
    assert plain_table(moment()) == ["  ".join(HEAD)]


def test_progress_is_one_line_with_the_busiest_stage_and_what_was_lost() -> None:
    before = moment(stage("read"), stage("map"), elapsed=1.0, delivered=100)
    now = moment(
        stage("read", busy=0.1),
        stage("map", busy=0.9, dropped={"filtered": 7}),
        elapsed=2.0,
        delivered=1100,
        blocks_delivered=3,
    )
    line = "   2.0 s  3 batches, 1,100 samples, 1.00 k/s; dropped 7; busiest: map 90 %"
    assert progress(now, before) == line


def test_the_table_fits_80_columns_with_big_numbers_and_shows_names_as_they_are() -> None:
    many = 88_888_888
    now = moment(
        *(stage(f"stage_{n}[red]", in_=many, out=many, dropped={"x": many}) for n in range(9)),
        edges=(edge("a", "stage_1[red]", 8, 8),),
        elapsed=100.0,
    )
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table(now))
    lines = capture.get().splitlines()
    assert len(lines) == 10
    assert lines[2].split() == [
        "stage_1[red]", "88,888,888", "88,888,888", "889", "k/s", "0", "%", "8/8", "88,888,888",
    ]  # fmt: skip


def test_where_the_end_is_known_the_time_left_is_told() -> None:
    def at(given: float, seconds: float) -> RunStats:
        source = stage("rows", gauges={"passes_done": 0, "pass_done": given})
        return moment(source, epochs=1, elapsed=seconds, delivered=1000, blocks_delivered=2, finished=False)

    assert progress(at(0.3, 3.0), None, at(0.1, 1.0)).endswith("; 30 % done, 7.0 s left")
    assert next(iter(summary(at(0.5, 2.0), {}))).endswith("500/s; 50 % done, 2.0 s left")
    assert ahead(at(0.5, 2.0)._replace(finished=True)) == ""


def test_before_the_first_batch_it_is_told_what_fills() -> None:
    pool = stage("shuffle_pool", gauges={"pool_fill": 1.0, "pool_chunks": 9})
    reservoir = stage("reservoir", gauges={"reservoir_fill": 0.25})
    now = moment(pool, reservoir, epochs=1, elapsed=2.0, finished=False)
    assert progress(now, None).endswith("0/s; busiest: shuffle_pool 0 %; reservoir 25 % full")
    assert ahead(now._replace(finished=True)) == ""
    assert ahead(now._replace(delivered=5, epochs=None)) == ""


def test_before_the_first_batch_it_is_told_how_many_files_are_indexed() -> None:
    read = stage("read", gauges={"files_indexed": 1234})
    now = moment(read, epochs=1, elapsed=2.0, finished=False)
    assert ahead(now) == "; read: 1,234 files indexed"
    assert ahead(now._replace(delivered=5, epochs=None)) == ""
