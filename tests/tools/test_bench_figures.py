"""The README's section: ratios round by round, the best other in any mode, our kernels in others apart."""

from __future__ import annotations

import pytest

from flowload.errors import FlowloadError
from tools.bench.figures import BEGIN, END, best_of_chess, games, put, recordings
from tools.bench.games.rivals import RIVALS


def chess_row(name: str, group: str, rounds: list[float], cores: float) -> dict[str, object]:
    frames = {"median": sorted(rounds)[len(rounds) // 2]}
    thrift = [each / cores for each in rounds]
    return {"name": name, "group": group, "rounds": rounds, "thrift": thrift, "frames": frames}


def test_the_best_other_is_the_best_in_any_mode_and_our_kernels_are_told_apart() -> None:
    rows = [
        chess_row("flowload, rate 1, tensors", "graph", [100.0, 200.0, 90.0], 2),
        chess_row("A, processes, numpy", "rival", [10.0, 20.0, 30.0], 2),
        chess_row("A, threads, numpy", "rival", [50.0, 40.0, 30.0], 1),
        chess_row("A, threads, our kernels", "rival", [80.0, 80.0, 80.0], 2),
    ]
    told = best_of_chess(rows)
    # round by round 2, 5 and 3; by CPU time half of that
    assert "any mode, is A, threads: flowload makes 3.0 x as much, 1.5 x by CPU time" in told
    assert "our kernels inside, in any mode, is A, threads: flowload makes 1.2 x as much" in told


def test_our_kernel_inside_another_loader_is_no_rival() -> None:
    names = [rival.name for rival in RIVALS]
    ours = next(name for name in names if "our kernel" in name)
    best = next(name for name in names if "ring" in name and name != ours)
    rows = {f"{who}, {layout}": [8.0] for who in ("flowload", "bare kernel") for layout in ("bits", "uint8")}
    rows |= {name: [1.0] for name in names} | {ours: [100.0], best: [4.0]}
    shown = list(games({"rows": rows, "thrift": rows}))
    assert [row[-1] for row in shown] == [best] * 2
    assert [row[2:5] for row in shown] == [("100 %", "2.0", "2.0")] * 2


def test_cpu_time_of_windows_counts_the_other_way_round() -> None:
    def reading(speed: float, thrift: float) -> list[dict[str, float]]:
        return [{"speed": speed, "thrift": thrift}]

    own = {"flowload": reading(8, 0.1), "bare threads": reading(10, 0.08), "zarrs": reading(4, 0.3)}
    shown = next(recordings({"windows": {"raw": own, "zstd": own}}))
    assert shown[1:] == ("8.0 GB/s", "80 %", "2.0", "3.0", "zarrs")


def test_a_section_takes_the_place_of_the_one_before() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nbehind\n"
    assert put(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nbehind\n"
    with pytest.raises(FlowloadError, match="no section"):
        put("nothing here", "new")
