from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowload.blocks import CHUNK, ORIGIN, Batch, Files, Frames, Item, SourceFile
from flowload.testing.content import copied, difference, is_owned
from tests.stages.toy import TOY


def frames(rows: int = 3) -> Frames:
    data = np.arange(rows * 4, dtype=np.uint8).reshape(rows, 4)
    return Frames(TOY, (SourceFile("a.tar"),), data, np.zeros(rows, ORIGIN))


@pytest.mark.parametrize(
    "value",
    [
        frames(),
        frames().share(),
        Batch({"x": np.array([1.0, np.nan]), "y": np.zeros((2, 0), np.int8)}),
        Item({"a": [np.arange(3), (1, "b")], "n": float("nan")}),
        Files(("a", "b")),
        np.zeros(3, CHUNK),
        np.array(["a", None], object),
        np.float32(2).reshape(()),
        5,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_copy_is_the_same(value: Any) -> None:
    assert difference(value, copied(value)) == ""


def test_a_copy_has_memory_of_its_own_and_the_same_owner() -> None:
    block = frames()
    twin, shared = copied(block), copied(block.share())
    block.data[:] = 0
    assert twin.data[0, 1] == 1
    assert twin.format is block.format
    assert is_owned(twin)
    assert not is_owned(shared)
    assert not is_owned(Batch({"x": np.zeros(2)}))


def test_tensors_are_compared_and_copied() -> None:
    torch = pytest.importorskip("torch")
    batch = Batch({"x": torch.arange(3)})
    twin = copied(batch)
    assert difference(batch, twin) == ""
    twin.arrays["x"][1] = 7
    assert difference(batch, twin) == "Batch.arrays['x'][1]: 1 is not 7; 1 of 3 differ"


def test_padding_is_no_content() -> None:
    one, two = np.zeros(2, CHUNK), np.zeros(2, CHUNK)
    two.view(np.uint8).reshape(2, -1)[:, -1] = 9
    assert CHUNK.itemsize > CHUNK.fields["gzip"][1] + 1  # type: ignore[index]
    assert difference(one, two) == ""


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (Files(("a",)), Item(1), "Files: Files is not Item"),
        (Batch({"x": np.zeros(2)}), Batch({"y": np.zeros(2)}), "1 of [\"['x']\"] are not 1 of [\"['y']\"]"),
        (Files(("a",)), Files(("a", "b")), "1 of ['[0]'] are not 2 of ['[0]', '[1]']"),
        (Files(("a", "c")), Files(("a", "b")), "Files.paths[1]: 'c' is not 'b'"),
        (np.zeros(2), np.zeros(3), "float64 (2,) is not float64 (3,)"),
        (np.zeros(2), np.zeros(2, "f4"), "float64 (2,) is not float32 (2,)"),
        (np.zeros((2, 2)), np.eye(2), "ndarray[0, 0]: 0.0 is not 1.0; 2 of 4 differ"),
        (np.float32(0).reshape(()), np.float32(-0.0).reshape(()), "float32[]: 0.0 is not -0.0"),
        (np.array([0.0, np.nan]), np.array([0.0, -np.nan]), "ndarray[1]: nan is not nan; 1 of 2 differ"),
        (np.array(["a"], object), np.array(["b"], object), "ndarray[0]: 'a' is not 'b'"),
        (1.0, 2.0, "float: 1.0 is not 2.0"),
    ],
)
def test_a_difference_is_named(one: Any, two: Any, words: str) -> None:
    assert words in difference(one, two)


def test_a_field_of_a_record_is_named() -> None:
    one, two = np.zeros(4, ORIGIN), np.zeros(4, ORIGIN)
    two["chunk"][2] = 5
    assert difference(one, two) == "ndarray['chunk'][2]: 0 is not 5; 1 of 4 differ"
