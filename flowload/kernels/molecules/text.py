"""Tables of text: columns between blanks, a row a line, decimal numbers read exactly or not at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["FEW", "MANY", "NUMBER", "SKIP", "SYMBOL", "WORD", "read_table"]

Text = NDArray[np.uint8]

SKIP, NUMBER, SYMBOL = 0, 1, 2  #: what a column is

#: Why a table cannot be read: a line with too few columns, one with too many, a symbol that is none.
FEW, MANY, WORD = -1, -2, -3

TAB, NEWLINE, RETURN, BLANK = 9, 10, 13, 32
PLUS, MINUS, POINT, ZERO, NINE = 43, 45, 46, 48, 57
SMALL_E, LARGE_E = 101, 69

EXACT_DIGITS = 1 << 53  #: whole numbers below are floats
EXACT_POWER = 22  #: powers of ten up to this one are floats
POWERS = 10.0 ** np.arange(EXACT_POWER + 1)


@kernel
def skip_blanks(text: Text, at: int) -> int:
    """The next place that is no blank within the line."""
    while at < len(text) and (text[at] == BLANK or text[at] == TAB or text[at] == RETURN):
        at += 1
    return at


@kernel
def end_of_word(text: Text, at: int) -> int:
    """The place behind the word that begins here."""
    while at < len(text) and text[at] > BLANK:
        at += 1
    return at


@kernel
def read_digits(text: Text, at: int, digits: int) -> tuple[int, int]:
    """The place behind these digits, and the number that they go on; -1: too long to be exact."""
    while at < len(text) and ZERO <= text[at] <= NINE:
        short = 0 <= digits < EXACT_DIGITS // 10 - 1
        digits = 10 * digits + (int(text[at]) - ZERO) if short else -1
        at += 1
    return at, digits


@kernel
def read_power(text: Text, at: int, end: int) -> tuple[int, int]:
    """The place behind an exponent, and its value; where there is none, this place and 0."""
    if at >= end or (text[at] != SMALL_E and text[at] != LARGE_E):
        return at, 0
    sign = at + 1 < end and text[at + 1] == MINUS
    signed = sign or (at + 1 < end and text[at + 1] == PLUS)
    behind, power = read_digits(text, at + 1 + int(signed), 0)
    if behind == at + 1 + int(signed) or power < 0 or power > 999:
        return at, 0
    return behind, -power if sign else power


@kernel
def read_number(text: Text, at: int, end: int) -> tuple[float, bool]:
    """The word as a float, rounded to nearest; False: it takes more than one exact operation, or is none.

    Source: W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990.
    """
    negative = text[at] == MINUS
    begin = at + int(negative or text[at] == PLUS)
    at, digits = read_digits(text, begin, 0)
    power, count = 0, at - begin
    if at < end and text[at] == POINT:
        point = at + 1
        at, digits = read_digits(text, point, digits)
        power, count = point - at, count + at - point
    at, exponent = read_power(text, at, end)
    power += exponent
    if at != end or count == 0 or digits < 0 or power < -EXACT_POWER or power > EXACT_POWER:
        return 0.0, False
    value = digits / POWERS[-power] if power < 0 else digits * POWERS[power]
    return -value if negative else value, True


@kernel
def read_symbol(text: Text, at: int, end: int, symbols: NDArray[np.int16]) -> int:
    """The number of a symbol of one or two letters; 0: it is none."""
    if end - at > 2:
        return 0
    second = int(text[at + 1]) if end - at == 2 else 0
    return int(symbols[256 * int(text[at]) + second])


@kernel
def read_table(
    text: Text,
    at: int,
    columns: NDArray[np.int8],
    symbols: NDArray[np.int16],
    numbers: NDArray[np.float64],
    slow: NDArray[np.int64],
    place: NDArray[np.int64],
) -> int:
    """Read lines from place `at` on; how many numbers are left for somebody else to read, or FEW, MANY, WORD.

    Args:
        text: of the file.
        at: where the first line begins.
        columns: what each one is.
        symbols: by the two bytes of a symbol (the first times 256, the second or 0), its number.
        numbers: (lines, columns that are not skipped), written to.
        slow: (room, 3): line, column and place of numbers that were not read.
        place: (2,): the place behind, and the line that is being read.
    """
    left = 0
    for line in range(len(numbers)):
        field = 0
        place[0], place[1] = at, line
        for kind in columns:
            at = skip_blanks(text, at)
            end = end_of_word(text, at)
            if end == at:
                return FEW
            if kind == NUMBER:
                value, exact = read_number(text, at, end)
                numbers[line, field] = value
                if not exact:
                    slow[left, 0], slow[left, 1], slow[left, 2] = line, field, at
                    left += 1
            elif kind == SYMBOL:
                numbers[line, field] = read_symbol(text, at, end, symbols)
                if numbers[line, field] == 0:
                    return WORD
            field += kind != SKIP
            at = end
        at = skip_blanks(text, at)
        if at < len(text) and text[at] != NEWLINE:
            return MANY
        at += 1
    place[0] = at
    return left
