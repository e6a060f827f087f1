"""Many chunks in one call, against one after the other, which the rest of the tests checks."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.abc.chunk_formats import Unpacked, Uses
from flowload.abc.operators import Bytes
from flowload.blocks import CHUNK, ORIGIN, Chunks, Frames, SourceFile
from flowload.formats.containers import native
from flowload.formats.lc0.format import FORMAT, Lc0
from flowload.formats.lc0.records import RECORDS
from flowload.stages.chunks.inflate.decompress import Decompress
from flowload.stages.chunks.inflate.sampling import Sampling
from flowload.stages.chunks.source_table import concatenate
from tests.kernels import strategies
from tests.stages.fakes import FakeCall

MakeTar = Callable[..., Path]
RULES: list[dict[str, Any]] = [{}, {"num": 1, "den": 3}, {"count": 2}]
can = pytest.mark.skipif(not Lc0().in_bulk, reason="this zlib-ng hides its functions")


def game(length: int = 3, version: int = 6, seed: int = 0, moves: int = 30) -> bytes:
    """Records that policies of so many moves were made for."""
    rng = np.random.default_rng(seed)
    return b"".join(strategies.sound_record(version, 1, rng, moves=moves).tobytes() for _ in range(length))


def unsound(name: str, value: float) -> bytes:
    """A game of which a record breaks a rule, the last but one."""
    data = np.frombuffer(bytearray(game(7, seed=3)), RECORDS[6])
    if name == "probabilities":  # those of legal moves, and in all records: not each is taken
        data[name][data[name] >= 0] *= value
    else:
        data[name][5] = value
    return data.tobytes()


GOOD = {
    **{f"v{version}.gz": gzip.compress(game(version, version, version)) for version in RECORDS},
    "raw": game(5, seed=8),
    "long.gz": gzip.compress(game(40, seed=9), 1),
}
ODD = {  # right, but for one after the other only
    "two.gz": gzip.compress(game(2)) + gzip.compress(game(3)),
    "padded.gz": gzip.compress(game(2)) + bytes(9),
    "wide.gz": gzip.compress(game(6, moves=1858)),
}
WRONG = {
    "crc.gz": GOOD["v6.gz"][:-8] + bytes(4) + GOOD["v6.gz"][-4:],
    "short.gz": GOOD["v6.gz"][:-20],
    "part.gz": gzip.compress(game(2)[:-1]),
    "version.gz": gzip.compress(b"\2" + game(2)[1:]),
    "mixed.gz": gzip.compress(game(2) + game(1, 7)),
    "form.gz": gzip.compress(game(2)[:4] + b"\x09" + game(2)[5:]),
    "empty.gz": gzip.compress(b""),
    "stub": b"123",
}
UNSOUND = {
    "q.gz": gzip.compress(unsound("best_q", 1.5)),
    "castling": unsound("castling_us_oo", 2),
    "policy.gz": gzip.compress(unsound("probabilities", 0.5)),
    "move.gz": gzip.compress(unsound("best_idx", 1858)),
}


def chunks_of(path: Path) -> Chunks:
    return Chunks(FORMAT, (SourceFile(str(path)),), FORMAT.index(str(path)))


def run(
    chunks: Chunks,
    monkeypatch: pytest.MonkeyPatch,
    *,
    bulk: bool,
    limit: int = 1 << 22,
    checked: bool = True,
    **rule: Any,
) -> tuple[Frames | None, FakeCall, list[int]]:
    """The frames, the call, and how many chunks each call for many of them did."""
    done: list[int] = []

    def unpack(self: Lc0, uses: Uses, scratch: Bytes, out: Unpacked) -> int:
        done.append(real(self, uses, scratch, out))
        return done[-1]

    real = Lc0.unpack
    call = FakeCall(on_error="skip")
    operator = Decompress(Sampling(**rule), seed=5, limit=limit, checked=checked)
    with monkeypatch.context() as patch:
        patch.setattr(Lc0, "unpack", unpack)
        patch.setattr(Lc0, "in_bulk", bulk)
        try:
            return operator.apply(chunks, call), call, done
        finally:
            operator.close()


def compare(
    chunks: Chunks, monkeypatch: pytest.MonkeyPatch, *, limit: int = 1 << 22, **rule: Any
) -> list[int]:
    """Both ways give and tell the same; how many chunks each call for many did."""
    wanted, call, never = run(chunks, monkeypatch, bulk=False, limit=limit, **rule)
    found, other, done = run(chunks, monkeypatch, bulk=True, limit=limit, **rule)
    assert not never
    assert (other.drops, other.entered) == (call.drops, call.entered)
    assert list(map(str, other.rejects)) == list(map(str, call.rejects))
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert found.origin.tolist() == wanted.origin.tolist()
        assert found.sources == wanted.sources
        assert Lc0().records(found.data).tobytes() == Lc0().records(wanted.data).tobytes()
    return done


@can
@pytest.mark.parametrize("rule", RULES)
def test_good_chunks_take_one_call(
    rule: dict[str, Any], make_tar: MakeTar, sample_tar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, sample = chunks_of(make_tar(GOOD)), chunks_of(sample_tar)
    both = concatenate([sample, ours])
    for chunks in (ours, sample, both, both.select(np.arange(len(both))[::-1])):
        chunks.table["use"] = np.arange(len(chunks)) % 4
        assert compare(chunks, monkeypatch, **rule) == [len(chunks)]
        chunks.table["cap"] = np.arange(len(chunks)) % 3 - 1
        assert compare(chunks, monkeypatch, **rule) == [len(chunks)]


@can
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("others", [ODD, WRONG, UNSOUND])
def test_the_others_are_done_alone(
    rule: dict[str, Any], others: dict[str, bytes], make_tar: MakeTar, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for pair in zip(GOOD, others, strict=False) for name in pair]
    chunks = chunks_of(make_tar({name: {**GOOD, **others}[name] for name in names}))
    done = compare(chunks, monkeypatch, **rule)
    assert sum(done) == len(chunks) // 2
    for name, data in others.items():
        chunks = chunks_of(make_tar({"0.gz": GOOD["v6.gz"], name: data}))
        assert compare(chunks, monkeypatch, **rule) == [1]


@can
@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_chunks_that_break_a_rule_are_counted_by_it(
    bulk: bool, rule: dict[str, Any], make_tar: MakeTar, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = chunks_of(make_tar({"0.gz": GOOD["v6.gz"], **UNSOUND, "1.gz": GOOD["v6.gz"]}))
    frames, call, _ = run(chunks, monkeypatch, bulk=bulk, **rule)
    wanted = {"q out of range": 1, "castling rights": 1, "no such move": 1, "policy sum": 1}
    wanted["not sampled"] = call.drops["not sampled"]
    assert call.drops == {reason: count for reason, count in wanted.items() if count}
    assert ": q.gz, record 5: q out of range" in str(call.rejects[0])
    assert frames is not None


@can
@pytest.mark.parametrize("bulk", [False, True])
def test_what_shall_not_be_checked_is_not(
    bulk: bool, make_tar: MakeTar, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = chunks_of(make_tar(UNSOUND))
    frames, call, done = run(chunks, monkeypatch, bulk=bulk, checked=False)
    assert frames is not None
    assert not call.drops
    assert len(frames) == 7 * len(UNSOUND)
    assert done == [len(UNSOUND)] * bulk


@can
def test_claims_that_are_wrong_or_absent(make_tar: MakeTar, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = chunks_of(make_tar(GOOD))
    for claim in (-1, 1, 3 * 8356 - 1, 3 * 8356 + 1, 1 << 19):
        chunks.table["inflated"] = claim
        assert sum(compare(chunks, monkeypatch)) <= 2


@can
def test_chunks_over_the_limit(make_tar: MakeTar, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = chunks_of(make_tar({"1.gz": GOOD["v6.gz"], "long.gz": GOOD["long.gz"], "2": GOOD["raw"]}))
    assert compare(chunks, monkeypatch, limit=40 * 8356) == [3]
    assert compare(chunks, monkeypatch, limit=40 * 8356 - 1) == [1, 1]
    assert compare(chunks, monkeypatch, limit=5 * 8356) == [0, 0, 1]


@can
def test_files_that_vanished_or_shrank(make_tar: MakeTar, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [make_tar(GOOD, name=f"{k}.tar") for k in range(3)]
    chunks = concatenate([chunks_of(path) for path in paths])
    paths[0].unlink()
    os.truncate(paths[1], 5000)
    assert len(GOOD) in compare(chunks, monkeypatch)


@can
@pytest.mark.parametrize(("rows", "wanted"), [(0, 0), (2, 0), (3, 1), (6, 1), (7, 2)])
def test_no_more_than_there_is_room_for(rows: int, wanted: int, make_tar: MakeTar) -> None:
    path = make_tar({f"{k}.gz": gzip.compress(game(k)) for k in (3, 4, 5)})
    table = FORMAT.index(str(path))
    with path.open("rb") as file:
        memory = np.full((rows + 1, Lc0.row_bytes), 7, np.uint8)
        counts = np.full((3, 3), -7)
        origin = np.empty(rows, ORIGIN)
        uses = uses_of(table, file.fileno())
        assert (
            Lc0().unpack(uses, np.empty(1 << 20, np.uint8), Unpacked(memory[:rows], origin, counts)) == wanted
        )
        assert (memory[rows] == 7).all()
        assert counts[:wanted].tolist() == [[k, k, 0] for k in (3, 4, 5)][:wanted]


@can
@pytest.mark.parametrize("more", [-1, 0])
def test_scratch_memory_holds_a_chunk_twice(more: int, make_tar: MakeTar) -> None:
    table = FORMAT.index(str(path := make_tar({"0.gz": GOOD["long.gz"]})))
    scratch = np.full(40 * 8356 + len(GOOD["long.gz"]) + more + 8, 7, np.uint8)
    out = Unpacked(np.empty((40, Lc0.row_bytes), np.uint8), np.empty(40, ORIGIN), np.empty((1, 3), np.int64))
    with path.open("rb") as file:
        assert Lc0().unpack(uses_of(table, file.fileno()), scratch[:-8], out) == 1 + more
    assert (scratch[-8:] == 7).all()


def uses_of(table: NDArray[np.void], fd: int) -> Uses:
    assert table.dtype == CHUNK
    return Uses(table, np.array([fd], np.int32), np.zeros(1, np.uint64), 0, (1, 1, 0), 1 << 22)


def test_a_zlib_ng_that_shows_nothing_is_done_without(
    sample_tar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hidden:
        def __getattr__(self, name: str) -> None:
            raise AttributeError(name)

    native.native_functions.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr("flowload.formats.containers.native.ctypes.CDLL", lambda _: Hidden())
            assert native.native_functions() is None
            operator = Decompress(Sampling(), seed=5, limit=1 << 22)
            frames = operator.apply(chunks_of(sample_tar), FakeCall())
            operator.close()
    finally:
        native.native_functions.cache_clear()
    assert frames is not None
    assert len(frames) == chunks_of(sample_tar).table["records"].sum()


@pytest.mark.parametrize("version", [b"1.9", b"3.0", None])
def test_another_series_of_zlib_ng_is_not_called(
    version: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Library:
        @staticmethod
        def zlibng_version() -> bytes | None:
            return version

        zlibng_version.restype = None  # type: ignore[attr-defined]

    native.native_functions.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr("flowload.formats.containers.native.ctypes.CDLL", lambda _: Library)
            assert native.native_functions() is None
    finally:
        native.native_functions.cache_clear()
