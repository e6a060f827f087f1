"""lc0 training records, versions 3 to 7: their fields, their sizes, and whether bytes are such records.

Source: lc0's `trainingdata/trainingdata_v*.h` and lczero-training.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.kernels.chess.records import PACKED, VALUES, first_bad

__all__ = ["INPUT_FORMATS", "RECORDS", "SIZES", "check_chunk", "check_rows", "check_shape", "infer_records"]

Fields = list[tuple[str, Any] | tuple[str, Any, tuple[int, ...]]]

VERSION: Fields = [("version", "<u4")]
FORM: Fields = [("input_format", "<u4")]
BOARD: Fields = [
    ("probabilities", "<f4", (1858,)),
    ("planes", "<u8", (104,)),
    ("castling_us_ooo", "u1"),
    ("castling_us_oo", "u1"),
    ("castling_them_ooo", "u1"),
    ("castling_them_oo", "u1"),
    ("side_to_move_or_enpassant", "u1"),
    ("rule50_count", "u1"),
    ("invariance_info", "u1"),  # move_count in versions 3 and 4
    ("dep_result", "i1"),  # the result in versions 3 to 5
]
SEARCH: Fields = [(name, "<f4") for name in ("root_q", "best_q", "root_d", "best_d")]
MOVES: Fields = [(name, "<f4") for name in ("root_m", "best_m", "plies_left")]
GAME: Fields = [
    *[(name, "<f4") for name in ("result_q", "result_d", "played_q", "played_d", "played_m")],
    *[(name, "<f4") for name in ("orig_q", "orig_d", "orig_m")],
    ("visits", "<u4"),
    ("played_idx", "<u2"),
    ("best_idx", "<u2"),
    ("policy_kld", "<f4"),
    ("q_st", "<f4"),
]
FUTURE: Fields = [
    ("d_st", "<f4"),
    ("opp_played_idx", "<u2"),
    ("next_played_idx", "<u2"),
    ("reserved", "<f4", (8,)),
]

#: By version, what a record holds: `RECORDS[6]`; packed, little-endian.
RECORDS = MappingProxyType(
    {
        3: np.dtype(VERSION + BOARD),
        4: np.dtype(VERSION + BOARD + SEARCH),
        5: np.dtype(VERSION + FORM + BOARD + SEARCH + MOVES),
        6: np.dtype(VERSION + FORM + BOARD + SEARCH + MOVES + GAME),
        7: np.dtype(VERSION + FORM + BOARD + SEARCH + MOVES + GAME + FUTURE),
    }
)
#: Bytes of one record, by version.
SIZES = MappingProxyType({version: record.itemsize for version, record in RECORDS.items()})
GZIP = 0x8B1F  #: how gzip data begin
INPUT_FORMATS = (1, 2, 3, 4, 5, 132, 133)


def infer_records(sizes: NDArray[np.int64]) -> NDArray[np.int32]:
    """How many records so many bytes are, where only one version's record size divides them; else -1."""
    whole = np.array([(sizes > 0) & (sizes % size == 0) for size in SIZES.values()])
    counts = sizes // np.array(list(SIZES.values()))[whole.argmax(axis=0)]
    return np.where(whole.sum(axis=0) == 1, counts, -1).astype(np.int32)


def check_chunk(data: Bytes, where: str) -> int:
    """The size of one record of a chunk, once all of it is known to be valid records of one version.

    Raises DataError: "empty chunk", "unknown version", "mixed versions", "wrong record size",
    "unknown input format", "bad result".
    """
    if not len(data):
        raise DataError("empty chunk", where=where, found="0 bytes", wanted="whole records")
    version = version_at(data, 0)
    size = SIZES.get(version, 0)
    if size == 0:
        raise unknown_version(version, f"{where}, record 0")
    count, rest = divmod(len(data), size)
    bad = first_bad(data[: count * size].reshape(count, size), version)
    if bad >= 0:
        raise fault(data[bad * size :], version, f"{where}, record {bad}")
    if rest >= 4 and version_at(data, count * size) in SIZES.keys() - {version}:
        raise fault(data[count * size :], version, f"{where}, record {count}")
    if rest:
        found = f"{len(data)} bytes: {count} records of version {version} and {rest} bytes"
        raise DataError("wrong record size", where=where, found=found, wanted=f"a multiple of {size}")
    return size


def check_rows(rows: Bytes, where: str) -> None:
    """Make sure that each of `rows` (n, stride) begins with a valid record of any version.

    Raises DataError: "unknown version", "wrong record size", "unknown input format", "bad result".
    """
    check_shape(rows, where)
    bad = first_bad(rows, 0)
    if bad >= 0:
        raise fault(rows[bad], 0, f"{where}, record {bad}")


def check_shape(rows: Bytes, where: str) -> None:
    """Make sure that rows may hold records. Raises TypeError, and DataError: "wrong record size"."""
    if rows.ndim != 2 or rows.dtype != np.uint8:
        raise TypeError(f"records are {rows.dtype} of shape {rows.shape}; wanted uint8 (n, stride)")
    if rows.shape[1] < VALUES:
        found, wanted = f"rows of {rows.shape[1]} bytes", f"at least {VALUES}"
        raise DataError("wrong record size", where=where, found=found, wanted=wanted)


def fault(record: Bytes, version: int, where: str) -> DataError:
    """What is wrong with a record that should be of a version (0: any)."""
    word = version_at(record, 0)
    found = word & (PACKED - 1)
    if found not in SIZES:
        return unknown_version(word, where)
    if version not in (0, word):
        wanted = f"{version}, as in record 0"
        return DataError("mixed versions", where=where, found=f"version {word}", wanted=wanted)
    if word >= PACKED:
        row, wanted = f"a row of {len(record)} bytes", "a policy within it, as long as its mask says"
        return DataError("wrong packed record", where=where, found=row, wanted=wanted)
    if len(record) < SIZES[found]:
        row, wanted = f"a row of {len(record)} bytes", f"{SIZES[found]} for version {found}"
        return DataError("wrong record size", where=where, found=row, wanted=wanted)
    fields = record[: SIZES[found]].view(RECORDS[found])[0]
    form = int(fields["input_format"]) if found >= 5 else 1
    if form not in INPUT_FORMATS:
        wanted = f"one of {', '.join(map(str, INPUT_FORMATS))}"
        return DataError("unknown input format", where=where, found=str(form), wanted=wanted)
    return DataError("bad result", where=where, found=str(fields["dep_result"]), wanted="1, 0 or -1")


def unknown_version(version: int, where: str) -> DataError:
    """A record of no known version."""
    found, wanted = str(version), "3, 4, 5, 6 or 7"
    if version & 0xFFFF == GZIP:
        found, wanted = "gzip data", f"{wanted}: names of compressed members end in .gz"
    return DataError("unknown version", where=where, found=found, wanted=wanted)


def version_at(data: Bytes, at: int) -> int:
    """The version of the record that begins at a byte; fewer than 4 bytes read as what there is."""
    return int.from_bytes(data[at : at + 4].tobytes(), "little")
