from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.molecules.text import FEW, MANY, NUMBER, SKIP, SYMBOL, WORD, read_table

SYMBOLS = np.zeros(1 << 16, np.int16)
SYMBOLS[256 * ord("H")] = 1
SYMBOLS[256 * ord("H") + ord("e")] = 2

WORDS = st.one_of(
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.text("0123456789.eE+-", min_size=1, max_size=8),
    st.sampled_from(["H", "He", "Hel", "h", "nan", "x"]),
)


def naive(lines: list[list[str]], kinds: list[int]) -> tuple[list[list[float | str]], int]:
    """What each line holds, numbers as Python reads them, others as text; and what the table is."""
    rows: list[list[float | str]] = []
    for words in lines:
        row: list[float | str] = []
        for kind, word in zip(kinds, words, strict=False):
            if kind == SYMBOL:
                if word not in ("H", "He"):
                    return rows, WORD
                row.append(float(["H", "He"].index(word) + 1))
            elif kind == NUMBER:
                row.append(word)
        if len(words) != len(kinds):
            return rows, FEW if len(words) < len(kinds) else MANY
        rows.append(row)
    return rows, 0


@given(
    lines=st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=4),
    kinds=st.lists(st.sampled_from([SKIP, NUMBER, SYMBOL]), min_size=1, max_size=4),
    blank=st.sampled_from([" ", "  ", "\t", " \t "]),
    end=st.sampled_from(["\n", " \n", "\r\n"]),
    behind=st.booleans(),
)
def test_tables_are_what_python_reads(
    lines: list[list[str]], kinds: list[int], blank: str, end: str, behind: bool
) -> None:
    text = "".join(blank.join(words) + end for words in lines)
    data = np.frombuffer((text if behind else text.rstrip()).encode() or b" ", np.uint8)
    wanted, why = naive(lines, kinds)
    fields = sum(kind != SKIP for kind in kinds)
    numbers = np.full((len(lines), fields), -7.0)
    slow, place = np.zeros((len(lines) * fields + 1, 3), np.int64), np.zeros(2, np.int64)
    found = read_table(data, 0, np.array(kinds, np.int8), SYMBOLS, numbers, slow, place)
    if why:
        assert found == why
        assert place[1] == len(wanted)
        return
    left = {(line, field): at for line, field, at in slow[:found].tolist()}
    for line, row in enumerate(wanted):
        for field, value in enumerate(row):
            if (line, field) in left:  # not read: it is named, so that somebody else may
                assert bytes(data[left[line, field] :]).decode().startswith(str(value))
            else:
                assert numbers[line, field] == float(value)
                assert np.signbit(numbers[line, field]) == np.signbit(float(value))


def test_usual_numbers_are_read_at_once() -> None:
    text = b"0.07874433 -9391.45554428 1e-3 +12 -0.0 1.5E+2\n"
    numbers, slow = np.zeros((1, 6)), np.zeros((6, 3), np.int64)
    place, kinds = np.zeros(2, np.int64), np.full(6, NUMBER, np.int8)
    assert read_table(np.frombuffer(text, np.uint8), 0, kinds, SYMBOLS, numbers, slow, place) == 0
    assert numbers.tolist() == [[float(word) for word in text.split()]]
    assert place[0] == len(text)
