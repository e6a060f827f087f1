"""The rules that values of lc0 records keep, and the words for a record that breaks one.

`flowload.kernels.chess.rules` finds the record; here, slowly, it is found out which rule that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.kernels.chess.rules import LEAST_SUM, MOST_SUM, RULE50, first_broken, first_wrong_policy

from .records import RECORDS

__all__ = ["check_values"]

MOVES = 1858
CASTLING = ("castling_us_ooo", "castling_us_oo", "castling_them_ooo", "castling_them_oo")
LINES = ("root", "best", "result", "played", "orig")  #: whose q, d and m are numbers of a record


class Fault(NamedTuple):
    """A rule that a record breaks, in words: found and wanted."""

    rule: str  #: in words that are counted by
    found: str
    wanted: str


def check_values(records: Bytes, which: NDArray[np.int64] | None, where: str) -> None:
    """Make sure that valid records (n, size) of one version keep the rules.

    Everything but the policy is checked in all of them, the policy in those named (None: all).

    Raises DataError, whose reason is the rule: "castling rights", "side to move", "en passant", "rule50",
    "q out of range", "d out of range", "m out of range", "plies left", "not finite", "no such move",
    "policy value", "illegal move", "policy sum".
    """
    bad = first_broken(records)
    if bad < 0:
        bad = first_wrong_policy(records, np.arange(len(records)) if which is None else which)
    if bad >= 0:
        fault = fault_of(records[bad])
        place = f"{where}, record {bad}"
        raise DataError(fault.rule, where=place, found=fault.found, wanted=fault.wanted)


def fault_of(record: Bytes) -> Fault:
    """The first rule that a record breaks. Of the sum it is said last: it is not added up here as there."""
    version = int(record[:4].view("<u4")[0])
    fields = record[: RECORDS[version].itemsize].view(RECORDS[version])[0]
    form = int(fields["input_format"]) if version >= 5 else 1
    for finder in (
        board_faults(fields, form),
        number_faults(fields, version),
        policy_faults(fields, version),
    ):
        for fault in finder:
            return fault
    policy = fields["probabilities"]
    total = float(policy[policy >= 0].sum(dtype=np.float64))
    return Fault("policy sum", f"{total:.9g}", f"{LEAST_SUM} to {MOST_SUM}")


def board_faults(fields: np.void, form: int) -> Iterator[Fault]:
    """What is wrong with castling rights, side to move or en passant, and the 50 moves."""
    for name in CASTLING:
        value = int(fields[name])
        if form == 1 and value > 1:
            yield Fault("castling rights", f"{name} = {value}", "0 or 1 in input format 1")
        if form > 1 and value.bit_count() > 1:
            yield Fault("castling rights", f"{name} = {value:#010b}", "at most one bit: the rook's file")
    turn = int(fields["side_to_move_or_enpassant"])
    if form <= 2 and turn > 1:
        yield Fault("side to move", f"side_to_move = {turn}", f"0 or 1 in input format {form}")
    if form > 2 and turn.bit_count() > 1:
        yield Fault("en passant", f"en passant = {turn:#010b}", "at most one bit: the pawn's file")
    if (count := int(fields["rule50_count"])) > RULE50:
        yield Fault("rule50", f"rule50_count = {count}", f"at most {RULE50}")


def number_faults(fields: np.void, version: int) -> Iterator[Fault]:
    """What is wrong with what the search and the game's end say."""
    names = fields.dtype.names or ()
    for name in (f"{line}_{letter}" for line in LINES for letter in "qdm"):
        if name in names:
            yield from range_faults(f"{name[-1]} out of range", name, fields[name])
    if "plies_left" in names:
        yield from range_faults("plies left", "plies_left", fields["plies_left"])
    for name in ("q_st", "d_st"):  # of version 6, what lies there may be anything
        if version >= 7 and not math.isfinite(fields[name]):
            yield Fault("not finite", f"{name} = {fields[name]}", "a finite number")


def range_faults(rule: str, name: str, value: np.float32) -> Iterator[Fault]:
    """What is wrong with one number; its name says what it is."""
    kind, free = name[-1], name.startswith("orig")
    low, high = {"q": (-1.0, 1.0), "d": (0.0, 1.0)}.get(kind, (0.0, math.inf))
    if (free and math.isnan(value)) or (low <= value <= high and math.isfinite(value)):
        return
    wanted = f"from {low:g} to {high:g}" if math.isfinite(high) else f"a finite number from {low:g}"
    yield Fault(rule, f"{name} = {digits(value)}", f"{wanted}, or nan" if free else wanted)


def digits(value: np.float32) -> str:
    """A number with as many digits as tell it from its neighbours: 1.0000001 is not 1."""
    return str(value).removesuffix(".0")


def policy_faults(fields: np.void, version: int) -> Iterator[Fault]:
    """What is wrong with the policy, and with moves that are said to be played and best."""
    policy = fields["probabilities"]
    for name in ("played_idx", "best_idx") if version >= 6 else ():
        move = int(fields[name])
        if move >= MOVES:
            yield Fault("no such move", f"{name} = {move}", f"below {MOVES}")
        elif fields["visits"] and not policy[move] >= 0:
            found = f"{name} = {move}, whose probability is {digits(policy[move])}"
            yield Fault("illegal move", found, "a legal move, as there were visits")
    for wrong in np.flatnonzero(~((policy >= 0) & (policy <= 1) | (policy == -1))):
        yield Fault("policy value", f"probabilities[{wrong}] = {digits(policy[wrong])}", "from 0 to 1, or -1")
