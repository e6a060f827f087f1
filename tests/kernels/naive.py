"""Slow, obvious twins of the kernels: one record, one number at a time, with nothing but `struct`."""

from __future__ import annotations

import math
import struct
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]

FLAGS = ["us_ooo", "us_oo", "them_ooo", "them_oo", "stm", "rule50", "invariance", "result"]
SEARCH = ["root_q", "best_q", "root_d", "best_d"]
MOVES = ["root_m", "best_m", "plies_left"]
GAME = ["result_q", "result_d", "played_q", "played_d", "played_m", "orig_q", "orig_d", "orig_m"]
STATS = ["visits", "played_idx", "best_idx", "policy_kld", "q_st"]
FUTURE = ["d_st", "opp_played_idx", "next_played_idx"]
BOARD = ["probabilities", "planes", *FLAGS]

LAYOUTS = {
    3: ("<I7432s832s7Bb", ["version", *BOARD]),
    4: ("<I7432s832s7Bb4f", ["version", *BOARD, *SEARCH]),
    5: ("<II7432s832s7Bb7f", ["version", "format", *BOARD, *SEARCH, *MOVES]),
    6: ("<II7432s832s7Bb15fI2H2f", ["version", "format", *BOARD, *SEARCH, *MOVES, *GAME, *STATS]),
    7: ("<II7432s832s7Bb15fI2H2ff2H", ["version", "format", *BOARD, *SEARCH, *MOVES, *GAME, *STATS, *FUTURE]),
}
SIZES = {3: 8276, 4: 8292, 5: 8308, 6: 8356, 7: 8396}
NAN = math.nan
FLT_MAX = (2 - 2**-23) * 2.0**127


def parse(row: bytes) -> Record:
    """The fields of the record that a row begins with."""
    (version,) = struct.unpack_from("<I", row)
    layout, names = LAYOUTS[version]
    record = dict(zip(names, struct.unpack_from(layout, row), strict=True))
    record.setdefault("format", 1)
    record["probabilities"] = struct.unpack("<1858f", record["probabilities"])
    record["planes"] = struct.unpack("<104Q", record["planes"])
    return record


def keeps_rules(record: Record) -> bool:
    """Whether everything but the policy is as lc0's own check wants it."""
    return keeps_board_rules(record) and keeps_number_rules(record) and keeps_move_rules(record)


def keeps_board_rules(record: Record) -> bool:
    """Castling rights, side to move or en passant, and the 50 moves."""
    form = record["format"]
    castling = [record[name] for name in ("us_ooo", "us_oo", "them_ooo", "them_oo")]
    if any(byte > 1 if form == 1 else bin(byte).count("1") > 1 for byte in castling):
        return False
    turn = record["stm"] > 1 if form in (1, 2) else bin(record["stm"]).count("1") > 1
    return not turn and bool(record["rule50"] <= 100)


def keeps_number_rules(record: Record) -> bool:
    """What the search and the game's end say."""
    for line in ("root", "best", "result", "played", "orig"):
        for name, low, high in ((f"{line}_q", -1, 1), (f"{line}_d", 0, 1), (f"{line}_m", 0, FLT_MAX)):
            value = record.get(name, 0)
            if not (low <= value <= high or (line == "orig" and math.isnan(value))):
                return False
    if record["version"] == 7 and not (math.isfinite(record["q_st"]) and math.isfinite(record["d_st"])):
        return False
    return bool(0 <= record.get("plies_left", 0) <= FLT_MAX)


def keeps_move_rules(record: Record) -> bool:
    """The moves that were played and found best."""
    moves = [record.get(name, 0) for name in ("played_idx", "best_idx")]
    if any(move >= 1858 for move in moves):
        return False
    return record.get("visits", 0) == 0 or all(record["probabilities"][move] >= 0 for move in moves)


def has_policy(record: Record) -> bool:
    """Whether the policy is one: shares and -1, and the shares add up to 1."""
    probabilities = record["probabilities"]
    if not all(0 <= share <= 1 or share == -1 for share in probabilities):
        return False
    return 0.99 <= math.fsum(share for share in probabilities if share >= 0) <= 1.01


def planes(record: Record) -> list[list[float]]:
    """112 planes of 64 squares."""
    found = [[float(word >> (square ^ 7) & 1) for square in range(64)] for word in record["planes"]]
    form, stm, rule50 = record["format"], record["stm"], record["rule50"]
    if form == 1:
        found += [[float(record[name])] * 64 for name in ("us_ooo", "us_oo", "them_ooo", "them_oo")]
    else:
        found += [ranks(record["us_ooo"], record["them_ooo"]), ranks(record["us_oo"], record["them_oo"])]
        found += [[0.0] * 64, [0.0] * 64]
    found.append([float(stm)] * 64 if form <= 2 else ranks(0, stm))
    found.append([rule50 / (99 if form <= 3 else 100)] * 64)
    found.append([1.0 if form in (132, 133) and record["invariance"] >= 128 else 0.0] * 64)
    found.append([1.0] * 64)
    return found


def ranks(first: int, last: int) -> list[float]:
    """A plane with the bits of a byte in row 0 and of another in row 7."""
    plane = [0.0] * 64
    for column in range(8):
        plane[column] = float(first >> column & 1)
        plane[56 + column] = float(last >> column & 1)
    return plane


def result(record: Record) -> tuple[float, float]:
    """The game's (q, d)."""
    if record["version"] >= 6:
        return record["result_q"], record["result_d"]
    return record["result"], float(record["result"] == 0)


def plies(record: Record) -> float:
    """Plies to the end as the training tuple has them."""
    left: float = record.get("plies_left", 0.0)
    return record["invariance"] if record["version"] < 6 and left == 0 else left


def values(record: Record) -> list[list[float]]:
    """Six rows of (q, d, m)."""
    version = record["version"]
    left = plies(record)
    if version < 5 and left == 0:
        left = NAN
    played, orig, st = [NAN] * 3, [NAN] * 3, [NAN] * 3
    if version >= 6:
        played = [record["played_q"], record["played_d"], record["played_m"]]
        orig = [record["orig_q"], record["orig_d"], record["orig_m"]]
        st = [record["q_st"], record.get("d_st", 0.0), NAN]
    best = [record.get("best_q", NAN), record.get("best_d", NAN), record.get("best_m", NAN)]
    root = [record.get("root_q", NAN), record.get("root_d", NAN), record.get("root_m", NAN)]
    return [[*result(record), left], best, played, orig, root, st]


def wdl(q: float, d: float) -> list[float]:
    """Win, draw, loss."""
    return [0.5 * (1 - d + q), d, 0.5 * (1 - d - q)]


def outcomes(record: Record) -> tuple[list[float], list[float], float]:
    """winner, best_q, plies_left of the training tuple."""
    if record["version"] >= 6:
        winner = wdl(*result(record))
    else:
        winner = [float(record["result"] == outcome) for outcome in (1, 0, -1)]
    return winner, wdl(record.get("best_q", 0.0), record.get("best_d", 0.0)), plies(record)
