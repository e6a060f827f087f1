"""Batches as they are told and shown: where they lie, or copied once where that is no memory of both."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from flowload.errors import ClosedRun, GraphError
from flowload.runtime.child.ahead import Came
from flowload.runtime.child.frames import Arrays, End, Frames, Mapped, Value, frame
from flowload.runtime.child.inbox import Ending, Inbox
from flowload.runtime.child.packing import Packer
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.memory.shared_file import SharedFile


class Border(NamedTuple):
    """Both ends, in one process: it maps the file twice."""

    packer: Packer
    pool: BufferPool  #: of leases in the file
    line: socket.socket
    inbox: Inbox
    kept: dict[int, Any]  #: by number of its span

    def cross(self, value: Any, whole: Collection[str] = ()) -> Any:
        """What the reader sees of a batch."""
        return self.inbox.show(self.crossed(value, whole), 0.5)

    def crossed(self, value: Any, whole: Collection[str] = ()) -> Came:
        """What comes of it."""
        entry, kept = self.packer.pack(value, whole)
        told = [Mapped(each.number, each.offset, each.size) for each in self.packer.file.segments]
        for number, each in enumerate(kept, self.inbox.numbers):
            self.kept[number] = each
        self.line.sendall(frame(1, *told, entry))
        came = self.inbox.next()
        assert isinstance(came, Came)
        return came

    def leased(self, count: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
        """Numbers in memory of both."""
        made: np.ndarray[Any, Any] = self.pool.lease(count * np.dtype(dtype).itemsize).view(dtype)
        made[:] = np.arange(count)
        return made

    def taken(self) -> list[int]:
        """Let go of what the reader has told of; how long it waited for what it took is in each message."""
        self.inbox.tell()
        freed = []
        for told in Frames(self.line).receive(wait=True):
            for number in told.free:
                del self.kept[number]
                freed.append(number)
        return freed

    @property
    def copied(self) -> int:
        """Leases that copies have taken."""
        return self.packer.copies.stats().served


@pytest.fixture
def border() -> Iterator[Border]:
    file = SharedFile()
    ours, theirs = socket.socketpair()
    inbox = Inbox(
        theirs, SharedFile(os.dup(file.fd)), threading.Lock(), ClosedRun, lambda told: OSError(*told)
    )
    made = Border(Packer(file), BufferPool(file=file), ours, inbox, {})
    yield made
    inbox.close()
    ours.close()
    inbox.file.close()
    file.close()


def test_leases_cross_without_a_copy_and_are_seen_on_both_sides(border: Border) -> None:
    memory = border.leased(64)
    x, y = memory[:48].reshape(4, 12), memory[48:].view(np.int32)
    for _ in range(2):  # the first tells how arrays look, the second that they look like the last
        seen = border.cross({"x": x, "y": y})
        assert list(seen) == ["x", "y"]
        np.testing.assert_array_equal(seen["x"], x)
        np.testing.assert_array_equal(seen["y"], y)
    assert border.copied == 0
    x[2, 3] = -7
    assert seen["x"][2, 3] == -7
    seen["y"][0] = 5
    assert y[0] == 5


def test_how_arrays_look_is_told_where_it_changes(border: Border) -> None:
    x = border.leased(64)
    entries = [
        border.crossed(value).entry
        for value in (
            {"x": x},
            {"x": x[8:]},
            {"x": x[8:]},
            {"y": x[8:]},
            {"x": x[:8]},
            {"x": x[:8].view(int)},
        )
    ]
    assert [isinstance(each, Arrays) and each.layout is None for each in entries] == [0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: x.reshape(8, 8)[:, 2:5],
        lambda x: x.reshape(8, 8).T,
        lambda x: x[::3],
        lambda x: np.broadcast_to(x[:8], (5, 8)),
        lambda x: x[:0],
        lambda x: x.reshape(8, 8)[3:4, ::2],
        lambda x: x[7:8].reshape(()),
    ],
)
def test_views_with_steps_stay_views(border: Border, cut: Any) -> None:
    given = cut(border.leased(64))
    seen = border.cross({"x": given})["x"]
    np.testing.assert_array_equal(seen, given)
    assert seen.shape == given.shape
    assert seen.flags.writeable == given.flags.writeable
    assert border.copied == 0


@pytest.mark.parametrize(
    "given",
    [
        np.arange(12.0).reshape(3, 4),
        np.arange(12.0)[::-1],
        np.arange(12.0).reshape(3, 4).T,
        np.arange(3, dtype=">i4"),
        np.array(["a", "bc"]),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.arange(4)[:, None][:, ::-1],
    ],
)
def test_what_lies_elsewhere_is_copied_once(border: Border, given: Any) -> None:
    batch = {"x": given, "y": given}
    for _ in range(2):
        seen = border.cross(batch)
        for key in batch:
            np.testing.assert_array_equal(seen[key], given)
            assert seen[key].dtype == given.dtype
    assert border.copied == 2
    assert len(border.crossed(batch).entry.spans) == 1, "one behind the other"


def test_leases_that_run_backwards_are_copied(border: Border) -> None:
    given = border.leased(64).reshape(8, 8)[::-1, 2:4]
    np.testing.assert_array_equal(border.cross({"x": given})["x"], given)
    assert border.copied == 1


def test_leases_of_copies_are_used_again(border: Border) -> None:
    for number in range(50):
        seen = border.cross({"x": np.full(5000, number)})
        assert (seen["x"] == number).all()
        del seen
        border.taken()
    assert border.packer.copies.stats().made <= 2


def test_values_of_any_kind_cross(border: Border) -> None:
    lease = border.leased(8)
    value = {
        "x": lease,
        "names": ["a", "b"],
        "objects": np.array([{}, None], object),
        "more": [lease[2:4], 7],
    }
    seen = border.cross(value)
    assert seen["names"] == ["a", "b"]
    assert seen["objects"].tolist() == [{}, None]
    np.testing.assert_array_equal(seen["x"], lease)
    np.testing.assert_array_equal(seen["more"][0], lease[2:4])
    assert border.copied == 0
    entry = border.crossed((np.arange(3), np.array([], np.int8), "text")).entry
    assert isinstance(entry, Value)
    assert border.cross({1: np.arange(3)})[1].tolist() == [0, 1, 2]


def test_a_message_that_is_long_is_put_together(border: Border) -> None:
    value = {"text": "x" * (5 << 20)}
    sender = threading.Thread(
        target=border.line.sendall, args=(frame(1, border.packer.pack(value).entry) * 2,)
    )
    sender.start()
    came = [border.inbox.next(), border.inbox.next()]
    sender.join()
    assert [border.inbox.show(each, 0.0) for each in came if isinstance(each, Came)] == [value, value]


def test_read_only_arrays_of_many_batches_are_one_array(border: Border) -> None:
    pairs = np.arange(6)
    pairs.flags.writeable = False
    x = border.leased(4)
    first, second = (border.cross({"x": x, "pairs": pairs}, ["pairs"]) for _ in range(2))
    assert first["pairs"] is second["pairs"]
    assert not first["pairs"].flags.writeable
    assert border.copied == 1
    own = border.cross({"x": x, "pairs": pairs})["pairs"]
    assert own is not first["pairs"], "it does not go with whole batches"
    del first, second
    gc.collect()
    again = border.cross({"x": x, "pairs": pairs}, ["pairs"])["pairs"]
    assert again.tolist() == list(range(6))
    assert border.copied == 2, "the copy stays as long as the array"
    del pairs
    assert not border.packer.constants


def test_a_window_that_batches_share_keeps_its_lease_and_no_other(border: Border) -> None:
    window, own = border.leased(16), border.leased(4)
    window.flags.writeable = False
    seen = border.cross({"x": own, "window": window}, ["window"])
    shared = seen["window"]
    assert border.copied == 0
    del seen
    assert border.taken() == [0], "of two spans that of the batch alone"
    assert shared.tolist() == list(range(16))
    del shared
    border.cross({"x": own})
    assert 1 in border.taken()


def test_what_is_kept_goes_when_the_last_view_has_gone(border: Border) -> None:
    batch = border.cross({"x": border.leased(8), "y": np.arange(3)})
    part = batch["x"][2:4].view(np.int32)
    del batch
    assert border.taken() == []
    assert border.kept
    del part
    assert border.taken() == [0]
    assert not border.kept
    gc.collect()
    assert border.pool.stats().leased == border.packer.copies.stats().leased == 0


@pytest.mark.slow
def test_tensors_cross(border: Border) -> None:
    torch = pytest.importorskip("torch")
    lease = torch.from_numpy(border.leased(8))
    given = {
        "x": lease,
        "y": lease[::2],
        "z": torch.arange(6).reshape(2, 3),
        "half": torch.ones(3, 2).bfloat16(),
    }
    for _ in range(2):
        seen = border.cross(given)
        for key, tensor in given.items():
            assert torch.equal(seen[key], tensor)
            assert seen[key].dtype == tensor.dtype
    seen["x"][0] = 77
    assert lease[0] == 77
    nested = border.cross(([lease], {"a": torch.ones(2)}))
    assert torch.equal(nested[0][0], lease)
    assert nested[1]["a"].tolist() == [1, 1]
    with pytest.raises(GraphError, match="tensors on meta, which stay in their process"):
        border.packer.pack({"x": torch.empty(3, device="meta")})


def test_a_line_that_ends_says_why_to_everybody_who_asks(border: Border) -> None:
    border.line.sendall(frame(1, End()))
    assert border.inbox.next() == Ending() == border.inbox.next()
    border.inbox.ending = None
    border.line.close()
    ending = border.inbox.next()
    assert isinstance(ending, Ending)
    assert isinstance(ending.error, ClosedRun)


def test_a_batch_is_not_shown_where_its_memory_may_be_gone(border: Border) -> None:
    came = border.crossed({"x": border.leased(4)})
    border.inbox.close()
    with pytest.raises(ClosedRun):
        border.inbox.show(came, 0.0)
