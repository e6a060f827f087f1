from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import flowload as fl
from flowload.adapters.torch import expand_planes, quotient
from flowload.kernels.chess.planes import expand_planes as expand_on_cpu

FORMATS = (1, 2, 3, 4, 5, 132, 133)


def by_kernel(bits: Any, scalars: Any) -> Any:
    out = np.empty((len(bits), 112 * 64), np.float32)
    expand_on_cpu(bits, scalars, out)
    return out.reshape(-1, 112, 8, 8)


def same(one: torch.Tensor, two: Any) -> bool:
    return bool((one.cpu().numpy().view(np.uint32) == two.view(np.uint32)).all())


def positions(count: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**64, (count, 104), dtype=np.uint64)
    scalars = rng.integers(0, 256, (count, 8), dtype=np.uint8)
    scalars[:, 7] = rng.choice(FORMATS, count)
    return bits, scalars


@pytest.mark.slow
@given(st.integers(0, 40), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_planes_are_those_of_the_kernel(count: int, seed: int) -> None:
    bits, scalars = positions(count, seed)
    planes = expand_planes(torch.from_numpy(bits), torch.from_numpy(scalars))
    assert planes.dtype == torch.float32
    assert planes.shape == (count, 112, 8, 8)
    assert same(planes, by_kernel(bits, scalars))


@pytest.mark.parametrize("form", FORMATS)
def test_every_byte_of_every_scalar(form: int) -> None:
    bits = np.zeros((256 * 7, 104), np.uint64)
    scalars = np.zeros((256 * 7, 8), np.uint8)
    for k in range(7):
        scalars[256 * k : 256 * (k + 1), k] = np.arange(256)
    scalars[:, 7] = form
    assert same(expand_planes(bits, scalars), by_kernel(bits, scalars))


@pytest.mark.slow
def test_every_bit_of_every_plane() -> None:
    bits = np.zeros((104 * 64, 104), np.uint64)
    which = np.arange(104 * 64)
    bits[which, which // 64] = np.uint64(1) << (which % 64).astype(np.uint64)
    scalars = np.ones((104 * 64, 8), np.uint8)
    planes = expand_planes({"bits": bits, "scalars": scalars, "values": None})
    assert same(planes, by_kernel(bits, scalars))
    square = which % 64 ^ 7
    assert (planes[which, which // 64, square // 8, square % 8] == 1).all()


def test_parts_of_a_batch_and_signed_words_do() -> None:
    bits, scalars = positions(20, 0)
    wide = torch.zeros((20, 110), dtype=torch.int64)
    wide[:, 3:107] = torch.from_numpy(bits.view(np.int64))
    planes = expand_planes(wide[::2, 3:107], torch.from_numpy(scalars)[::2])
    assert same(planes, by_kernel(bits[::2].copy(), scalars[::2].copy()))


@pytest.mark.parametrize(
    ("bits", "scalars"),
    [
        (torch.zeros((3, 103), dtype=torch.int64), torch.zeros((3, 8), dtype=torch.uint8)),
        (torch.zeros((3, 104), dtype=torch.int32), torch.zeros((3, 8), dtype=torch.uint8)),
        (torch.zeros((3, 104), dtype=torch.int64), torch.zeros((2, 8), dtype=torch.uint8)),
    ],
)
def test_other_shapes_are_an_error(bits: Any, scalars: Any) -> None:
    with pytest.raises(ValueError, match=r"wanted 64-bit words \[B, 104\] and bytes \[B, 8\]"):
        expand_planes(bits, scalars)


def test_real_games_become_the_planes_of_the_other_layouts(sample_tar: Path) -> None:
    frames = fl.discover(str(sample_tar)) >> fl.read("lc0") >> fl.unpack(rate=1.0)
    packed = frames >> fl.batch(256, layout="bits") >> fl.to_device("cpu")
    plain = frames >> fl.batch(256, layout="tensors") >> fl.to_device("cpu")
    with packed.iterate() as ours, plain.iterate() as theirs:
        for one, two in zip(ours, theirs, strict=True):
            assert torch.equal(expand_planes(one), two["planes"])


def test_quotients_are_those_of_exact_arithmetic() -> None:
    count = torch.arange(256, dtype=torch.uint8)
    for form, divisor in ((1, 99), (3, 99), (4, 100), (133, 100)):
        found = quotient(count, torch.full_like(count, form)).numpy()
        # float64 has twice the bits and more: rounding it once again is rounding the exact quotient.
        wanted = (np.arange(256) / np.float64(divisor)).astype(np.float32)
        assert (found.view(np.uint32) == wanted.view(np.uint32)).all()


@pytest.mark.slow
def test_tensors_stay_where_they_are_whatever_the_default_device_and_dtype_are() -> None:
    bits, scalars = positions(50, 3)
    torch.set_default_dtype(torch.float16)
    try:
        with torch.device("meta"):
            planes = expand_planes(torch.from_numpy(bits), torch.from_numpy(scalars))
            given = expand_planes(bits, scalars)
            there = expand_planes(
                torch.empty((2, 104), dtype=torch.int64), torch.empty((2, 8), dtype=torch.uint8)
            )
    finally:
        torch.set_default_dtype(torch.float32)
    assert planes.device == given.device == torch.device("cpu")
    assert there.device == torch.device("meta")
    assert planes.dtype == torch.float32
    assert same(planes, by_kernel(bits, scalars))
    assert same(given, by_kernel(bits, scalars))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_no_bit(dtype: torch.dtype) -> None:
    bits, scalars = positions(200, 4)
    with torch.autocast("cpu", dtype=dtype):
        assert same(expand_planes(bits, scalars), by_kernel(bits, scalars))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize(
    "backend",  # "inductor" takes what "aot_eager" makes
    ["eager", pytest.param("aot_eager", marks=pytest.mark.hammer), "inductor"],
)
def test_compiled_it_changes_no_bit(backend: str) -> None:
    if backend == "inductor" and not has_compiler():
        pytest.skip("no C++ compiler, which torch.compile needs")
    torch.compiler.reset()
    compiled = torch.compile(expand_planes, backend=backend, fullgraph=True, dynamic=False)
    bits, scalars = positions(256 * 7, 5)
    scalars[:, 5] = np.tile(np.arange(256), 7)
    kinds = (bits,) if backend == "inductor" else (bits, bits.view(np.int64))  # ten seconds for each
    for words in kinds:
        planes = compiled(torch.from_numpy(words), torch.from_numpy(scalars))
        assert same(planes, by_kernel(bits, scalars))


def has_compiler() -> bool:
    """One that torch would find."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "c++", "clang++"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
def test_a_gpu_gives_the_same() -> None:
    bits, scalars = positions(500, 1)
    planes = expand_planes(torch.from_numpy(bits).cuda(), torch.from_numpy(scalars).cuda())
    assert planes.is_cuda
    assert same(planes, by_kernel(bits, scalars))
