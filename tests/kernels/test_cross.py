"""The kernels on 64-bit ARM (Macs, Graviton, Grace), as far as a machine of another kind can tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

#: How files of machine code begin there: ELF, 64 bits, little-endian, ... AArch64; Mach-O, 64 bits, arm64.
ELF, AARCH64, MACH_O, ARM64 = "7f454c460201", "b700", "cffaedfe", "0c000001"

#: Kernels that speak to LLVM in words of their own, and the hot paths of each kind of data.
NEEDED = {
    "encode_bits",
    "encode_tensors",
    "encode_tuple",
    "exchange",
    "fetch",
    "find_unsound",
    "gather_bits",
    "inflate_into",
    "near_one",
    "pad_row",
    "permuted",
    "prefetch_row",
    "rounds",
    "stream_bytes",
    "stream_planes",
    "stream_policy",
}


def test_the_kernels_compile_for_arm(tmp_path: Path) -> None:
    # With a cache of its own, which is empty: what is known already would not be compiled.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("cross.py"))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    linux, mac = json.loads(done.stdout).values()
    assert len(linux) > 70
    assert linux.keys() == mac.keys()
    assert {head[:12] for head in linux.values()} == {ELF}
    assert {head[36:40] for head in linux.values()} == {AARCH64}
    assert {head[:16] for head in mac.values()} == {MACH_O + ARM64}
    assert not NEEDED - {name.split()[0] for name in linux}, sorted(linux)
