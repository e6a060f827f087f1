"""The kernels on 64-bit ARM (Macs, Graviton, Grace), as far as a machine of another kind can tell."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import llvmlite
import numba
import pytest

from flowload.kernels._jit import STAMP

PROGRAM = Path(__file__).with_name("cross.py")

#: How files of machine code begin there: ELF, 64 bits, little-endian, ... AArch64; Mach-O, 64 bits, arm64.
ELF, AARCH64, MACH_O, ARM64 = "7f454c460201", "b700", "cffaedfe", "0c000001"

#: Kernels that speak to LLVM in words of their own, and the hot paths of each kind of data.
NEEDED = {
    "encode_bits",
    "encode_tensors",
    "encode_tuple",
    "exchange",
    "fill_pairs_within",
    "find_unsound",
    "gather",
    "gather_bits",
    "integers",
    "pad_batches",
    "pad_molecules",
    "permutation",
    "unpack_chunks",
}


#: With one CPU kernels are compiled in the process itself, which takes their code.
OWN = {"FLOWLOAD_CPUS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where `cross.py` keeps the code of the kernels, from one run of the tests to the next."""
    if not hasattr(request.config, "cache"):  # -p no:cacheprovider
        return tmp_path
    of = (STAMP, PROGRAM.read_bytes(), numba.__version__, llvmlite.__version__, sys.version)
    name = hashlib.blake2b(repr(of).encode(), digest_size=8).hexdigest()
    caches: Path = request.config.cache.mkdir("arm-kernels")
    for old in caches.iterdir():
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)
    return caches / name


@pytest.mark.hammer
def test_the_kernels_compile_for_arm(folder: Path, tmp_path: Path) -> None:
    # numba's cache is an empty one: what is known already would not be compiled.
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **OWN, "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    linux, mac = json.loads(done.stdout).values()
    assert len(linux) > 50
    assert linux.keys() == mac.keys()
    assert {head[:12] for head in linux.values()} == {ELF}
    assert {head[36:40] for head in linux.values()} == {AARCH64}
    assert {head[:16] for head in mac.values()} == {MACH_O + ARM64}
    assert not NEEDED - {name.split()[0] for name in linux}, sorted(linux)
