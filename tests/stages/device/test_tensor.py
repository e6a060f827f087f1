from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
import torch

from flowload.blocks import Batch, Files, Item
from flowload.errors import FlowloadError, GraphError
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.device.tensor import SharedTensors, as_batch, as_tensor, as_tensors
from tests.stages.fakes import FakeCall

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_lies_on_the_arrays_memory(dtype: str) -> None:
    array = np.arange(24).astype(dtype).reshape(2, 3, 4)
    tensor = as_tensor(array, "x")
    assert tensor.data_ptr() == array.ctypes.data
    assert tensor.shape == array.shape
    assert np.array_equal(tensor.numpy(), array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), np.float32),
        np.float32(1.5).reshape(()),
        np.arange(20, dtype=np.int16)[::3],
        np.arange(20, dtype=np.int16).reshape(4, 5).T,
        np.broadcast_to(np.arange(3.0), (2, 3)).view(),
    ],
    ids=["empty", "no axes", "steps", "transposed", "broadcast"],
)
def test_shapes_of_every_kind(array: Any) -> None:
    assert np.array_equal(as_tensor(array, "x").numpy(), array)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "array",
    [
        np.frombuffer(b"abcdefgh", np.uint16),
        np.arange(5, dtype=">i4"),
        np.arange(5, dtype=">f8")[::-1],
        np.arange(6, dtype=np.int64)[::-2],
        np.zeros(4, [("a", "u1"), ("b", "<f4")])["b"],
    ],
    ids=["read-only", "big-endian", "both", "backwards", "packed field"],
)
def test_what_torch_cannot_express_is_copied(array: Any) -> None:
    tensor = as_tensor(array, "x")
    assert tensor.numpy().dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(tensor.numpy(), array)
    tensor[:] = 0  # nobody else sees it


@pytest.mark.parametrize("dtype", ["U3", "S3", "O", "M8[s]", "f4,f4"])
def test_a_dtype_without_tensors_is_an_error(dtype: str) -> None:
    with pytest.raises(
        GraphError, match=r"'names' has dtype .* torch has no such tensors; encode it"
    ) as caught:
        as_tensor(np.zeros(3, dtype), "names")
    assert caught.value.__cause__ is None


def test_a_tensor_stays_what_it_is() -> None:
    tensor = torch.arange(3)
    assert as_tensor(tensor, "x") is tensor


def test_a_tensor_keeps_its_lease() -> None:
    pool = BufferPool()
    batch = Batch({"x": pool.lease(64).view(np.float32).reshape(4, 4)})
    row = as_tensors(batch, SharedTensors())[0].arrays["x"][1]
    del batch
    assert pool.stats().leased == 1
    row[:] = 3
    del row
    assert pool.stats().leased == 0


def test_only_batches_have_tensors() -> None:
    with pytest.raises(GraphError, match="takes batches, and block 7 is an Item of str"):
        as_batch(Item("text"), FakeCall(number=7))
    with pytest.raises(GraphError, match="block 0 is a Files"):
        as_batch(Files(("a",)), FakeCall())


def constant() -> np.ndarray[Any, np.dtype[np.int32]]:
    pairs = np.arange(6, dtype=np.int32)
    pairs.flags.writeable = False
    return pairs


def test_what_batches_share_is_copied_once() -> None:
    shared, pairs = SharedTensors(), constant()
    given = [
        as_tensors(Batch({"x": np.zeros(2)}, {"pairs": pairs, "own": np.arange(3)}), shared) for _ in "ab"
    ]
    (one, common), (two, again) = given
    assert common["pairs"] is again["pairs"]
    assert list(one.whole) == ["own"]
    assert one.whole["own"].data_ptr() != two.whole["own"].data_ptr()
    assert common["pairs"].tolist() == list(range(6))
    common["pairs"].data_ptr()
    other = constant()
    assert as_tensors(Batch({}, {"pairs": other}), shared)[1]["pairs"] is not common["pairs"]


def test_a_shared_tensor_lives_as_long_as_its_array() -> None:
    shared, pairs = SharedTensors(), constant()
    seen = weakref.ref(shared.get(pairs, "pairs"))
    assert seen() is not None
    del pairs
    shared.get(constant(), "pairs")
    assert seen() is None


def test_who_writes_to_a_shared_tensor_is_told() -> None:
    shared, pairs = SharedTensors(), constant()
    shared.get(pairs, "dst_idx")[0] += 1
    with pytest.raises(FlowloadError, match=r"'dst_idx' was written to.*batch\['dst_idx'\].clone\(\)"):
        shared.get(pairs, "dst_idx")
    assert pairs.tolist() == list(range(6))


def test_memory_that_only_this_view_may_not_write_to_is_shared_without_a_copy() -> None:
    memory = BufferPool().lease(256)
    window = memory[64:192].view(np.float32).reshape(4, 8)[:, :5]
    window[:] = np.arange(20).reshape(4, 5)
    shared = window.view()
    shared.flags.writeable = False
    tensors = SharedTensors()
    tensor = tensors.get(shared, "window")
    assert tensor.data_ptr() == window.ctypes.data
    assert np.array_equal(tensor.numpy(), window)
    assert tensors.get(shared, "window") is tensor
    constant = np.frombuffer(bytes(16), np.float32)
    assert tensors.get(constant, "constant").data_ptr() != constant.ctypes.data
