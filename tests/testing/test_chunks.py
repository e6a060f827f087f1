"""The exam of chunk formats: lc0 passes it, and what has a mistake does not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.abc.chunk_formats import BulkFormat
from flowload.errors import DataError
from flowload.formats.lc0.format import FORMAT, Lc0
from flowload.sample import sample_path
from flowload.testing import check_format
from tests.testing.wrong_chunk_formats import WRONG_FORMATS, Lines, write_lines


@pytest.mark.slow
def test_lc0_passes(sample_tar: Path) -> None:
    assert check_format(FORMAT, sample_tar) > 100


def test_lc0_passes_on_a_lone_chunk(sample_tar: Path, tmp_path: Path) -> None:
    chunk = FORMAT.index(str(sample_tar))[0]
    data = sample_tar.read_bytes()[chunk["offset"] :][: chunk["size"]]
    (tmp_path / "one.gz").write_bytes(data)
    assert check_format(FORMAT, tmp_path / "one.gz") == len(gzip.decompress(data)) // 8356


def test_a_right_format_passes(tmp_path: Path) -> None:
    assert check_format(Lines(), write_lines(tmp_path / "a.lines")) == 15
    assert check_format(Lines(), tmp_path / "a.lines", chunks=2) == 14


@pytest.mark.parametrize(("form", "words"), WRONG_FORMATS, ids=lambda value: type(value).__name__)
def test_a_mistake_is_found(form: Lines, words: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        check_format(form, write_lines(tmp_path / "a.lines"))
    assert words in str(caught.value)


class Bulk(Lc0):
    """Unpacks many chunks at once, with one mistake."""

    mistake = ""

    def unpack(self, uses: Any, scratch: Any, out: Any) -> int:
        done = super().unpack(uses, scratch, out)
        if self.mistake == "rows":
            out.rows[3, 40] ^= 1
        if self.mistake == "counts":
            out.counts[0, 1] -= 1
        if self.mistake == "origin":
            out.origin["record"][1] = 0
        return done - 1 if self.mistake == "done" else done


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("rows", "unpack() gives other records than inflate() and pack()"),
        ("counts", "unpack() tells other counts or origins"),
        ("origin", "unpack() tells other counts or origins"),
        ("done", "unpack() gave up at chunk"),
    ],
)
def test_a_mistake_in_bulk_is_found(
    mistake: str, words: str, sample_tar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = Bulk()
    assert isinstance(form, BulkFormat)
    if not form.in_bulk:
        pytest.skip("the installed zlib-ng cannot be called from kernels")
    monkeypatch.setattr(Bulk, "mistake", mistake)
    with pytest.raises(AssertionError) as caught:
        check_format(form, sample_tar, chunks=3)
    assert words in str(caught.value)


def test_what_is_no_file_of_the_format_is_bad_data(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(np.arange(2000).tobytes())
    with pytest.raises(DataError):
        check_format(FORMAT, tmp_path / "a.tar")
    assert sample_path("chess").is_dir()
