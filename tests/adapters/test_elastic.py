"""torchrun with one, two, three and two ranks, some of which are killed: one stream, nothing missing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.lanes.worlds import DRAWINGS, LANES, digest, stream

LIMIT = 200  #: seconds of one world


def world(ranks: int, folder: Path, *arguments: object) -> int:
    """Run so many ranks; the exit status of torchrun."""
    script = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    child = [str(Path(__file__).parent / "children" / "elastic_rank.py"), str(folder), *map(str, arguments)]
    done = subprocess.run(
        [*script, *child],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=Path(__file__).parents[2],
        env=environment(),
    )
    return done.returncode


def environment() -> dict[str, str]:
    """What a child needs to find the tests."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}


def given(folder: Path) -> dict[int, str]:
    """The batches that all ranks of all worlds were given, by number; none came as two different ones."""
    found: dict[int, str] = {}
    for path in folder.glob("given-*"):
        for line in path.read_text().splitlines():
            number, word = json.loads(line)
            assert found.setdefault(number, word) == word
    return found


@pytest.mark.hammer  # eleven processes with torch: 37 s of CPU
@pytest.mark.parametrize("of", ["one", "all"])
@pytest.mark.parametrize("what", ["chess"])
def test_one_two_three_and_two_ranks_make_one_stream(what: str, of: str, tmp_path: Path) -> None:
    if not pytest.importorskip("torch.distributed").is_gloo_available():
        pytest.skip("torch has no gloo here")
    assert world(1, tmp_path, 3, what, of) == 0
    assert world(2, tmp_path, 0, what, of, 1, 4) != 0  # rank 1 dies in its fifth step
    assert world(3, tmp_path, 6, what, of) == 0
    assert world(3, tmp_path, 0, what, of, 0, 2) != 0
    assert world(2, tmp_path, 0, what, of) == 0  # and both come to the end, or torchrun would wait for ever
    found = given(tmp_path)
    wanted = stream(DRAWINGS[what], 1, seed=1)
    numbers = range(len(found))
    assert sorted(found) == list(numbers), "none is missing, and none came twice but under its own number"
    assert len(wanted) - len(found) == (len(wanted) - 3) % 2  # 3 + 2 * 4 + 3 * 8: the last world began midway
    assert hash_of([found[number] for number in numbers]) == hash_of(wanted[: len(found)])
    begun = [json.loads(path.read_text()) for path in tmp_path.glob("begun-*")]
    assert len(begun) == 1 + 2 + 3 + 3 + 2
    if of == "all":
        assert sorted(each["lanes"] for each in begun) == [0, *[LANES] * 10]
        assert [each["anew"] for each in begun] == [None] * 11, "nothing was made again from the beginning"


def hash_of(words: list[str]) -> str:
    """One word for a stream."""
    return hashlib.blake2b("".join(words).encode()).hexdigest()


def test_a_digest_tells_batches_apart() -> None:
    assert digest({"x": [1, 2]}) != digest({"x": [2, 1]})
