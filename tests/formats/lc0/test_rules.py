from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.formats.lc0.format import FORMAT
from flowload.formats.lc0.records import RECORDS
from flowload.formats.lc0.rules import check_values
from tests.kernels import strategies

Change = Callable[[NDArray[np.void]], None]


def records(version: int = 6, form: int = 1) -> Bytes:
    rng = np.random.default_rng(0)
    return np.stack([strategies.sound_record(version, form, rng) for _ in range(4)])


def broken(change: Change, version: int = 6, form: int = 1, which: list[int] | None = None) -> DataError:
    data = records(version, form)
    change(data.view(RECORDS[version])[2])
    with pytest.raises(DataError) as caught:
        check_values(data, None if which is None else np.array(which), "a.tar: 7.gz")
    assert caught.value.where == "a.tar: 7.gz, record 2"
    return caught.value


def put(name: str, value: float) -> Change:
    def change(fields: NDArray[np.void]) -> None:
        fields[name] = value

    return change


def share(value: float) -> Change:
    """One of the shares is another number."""

    def change(fields: NDArray[np.void]) -> None:
        fields["probabilities"][0, int(fields["played_idx"][0])] = value

    return change


RULES: list[tuple[str, float, str, str, str]] = [
    ("castling_us_oo", 2, "castling rights", "castling_us_oo = 2", "0 or 1 in input format 1"),
    ("side_to_move_or_enpassant", 2, "side to move", "side_to_move = 2", "0 or 1 in input format 1"),
    ("rule50_count", 101, "rule50", "rule50_count = 101", "at most 100"),
    ("best_q", np.nan, "q out of range", "best_q = nan", "from -1 to 1"),
    ("result_q", -1.5, "q out of range", "result_q = -1.5", "from -1 to 1"),
    ("root_q", 1.0000001, "q out of range", "root_q = 1.0000001", "from -1 to 1"),
    ("result_d", 1.5, "d out of range", "result_d = 1.5", "from 0 to 1"),
    ("root_d", -0.5, "d out of range", "root_d = -0.5", "from 0 to 1"),
    ("played_m", np.inf, "m out of range", "played_m = inf", "a finite number from 0"),
    ("plies_left", -1, "plies left", "plies_left = -1", "a finite number from 0"),
    ("orig_q", 2, "q out of range", "orig_q = 2", "from -1 to 1, or nan"),
    ("orig_m", -2, "m out of range", "orig_m = -2", "a finite number from 0, or nan"),
    ("played_idx", 1858, "no such move", "played_idx = 1858", "below 1858"),
]


@pytest.mark.parametrize(("field", "value", "rule", "found", "wanted"), RULES)
def test_the_rule_is_named(field: str, value: float, rule: str, found: str, wanted: str) -> None:
    error = broken(put(field, value))
    assert (error.reason, error.found, error.wanted) == (rule, found, wanted)


@pytest.mark.parametrize(("change", "version", "form", "rule"), [
    (put("castling_them_ooo", 3), 6, 2, "castling rights"),
    (put("side_to_move_or_enpassant", 3), 5, 3, "en passant"),
    (put("side_to_move_or_enpassant", 2), 5, 2, "side to move"),
    (put("q_st", np.nan), 7, 1, "not finite"),
    (put("d_st", np.inf), 7, 1, "not finite"),
    (share(np.nan), 7, 4, "illegal move"),
    (share(7.0), 6, 1, "policy value"),
    (put("probabilities", 0.5), 6, 1, "policy sum"),
    (put("probabilities", np.nan), 3, 1, "policy value"),
    (put("probabilities", -1), 4, 1, "policy sum"),
    (put("root_q", 5), 4, 1, "q out of range"),
])  # fmt: skip
def test_rules_that_formats_and_versions_have(change: Change, version: int, form: int, rule: str) -> None:
    assert broken(change, version, form).reason == rule


@pytest.mark.parametrize(("name", "value"), [
    ("orig_q", np.nan), ("policy_kld", np.nan), ("q_st", np.nan), ("result_d", 1.0), ("dep_result", -7),
])  # fmt: skip
def test_what_is_no_error(name: str, value: float) -> None:
    data = records()
    data.view(RECORDS[6])[name][2] = value
    check_values(data, None, "here")


def test_a_move_may_be_illegal_where_nothing_was_searched() -> None:
    data = records()
    fields = data.view(RECORDS[6])[2]
    illegal = int(np.flatnonzero(fields["probabilities"][0] < 0)[0])
    fields["best_idx"] = illegal
    with pytest.raises(DataError, match=f"illegal move; found best_idx = {illegal}, whose probability is -1"):
        check_values(data, None, "here")
    fields["visits"] = 0
    check_values(data, None, "here")


def test_policies_are_looked_at_in_records_that_are_taken_the_rest_in_all() -> None:
    data = records()
    data.view(RECORDS[6])["probabilities"][2, 0, :] = 0.5
    check_values(data, np.array([0, 1, 3]), "here")
    broken(put("probabilities", 0.5), which=[1, 2])
    broken(put("best_q", 7), which=[])


def test_real_records_keep_the_rules(shared_lc0: Path) -> None:
    for path in sorted(shared_lc0.rglob("*.tar")):
        with path.open("rb") as file:
            for chunk in FORMAT.index(str(path)):
                out = np.empty(1 << 22, np.uint8)
                data, size = FORMAT.inflate(file.fileno(), chunk, out, limit=1 << 24, where=str(path))
                check_values(data.reshape(-1, size), None, str(path))
