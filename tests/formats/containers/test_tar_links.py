"""Links in tars; what they lead to when the tar is unpacked by tarfile is the oracle."""

from __future__ import annotations

import gzip
import io
import logging
import os
import tarfile
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import NoDataError
from flowload.formats.containers.buffered import Window
from flowload.formats.containers.tar import members
from flowload.formats.containers.tar_links import HOPS, follow_links
from flowload.formats.lc0.format import FORMAT
from tests.kernels import strategies

Entry: TypeAlias = tuple[str, bytes | str, bytes]

NAMES = ["a.gz", "d/a.gz", "d/b.gz", "d/e/a.gz", "./c.gz"]
LINKS = [*NAMES, "../a.gz", "b.gz", "../d/b.gz", "e/a.gz", "../../x.gz", "/etc/passwd", "nothing.gz", "d"]


def write(path: Path, *entries: Entry) -> Path:
    """A tar of (name, data or target, kind)."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(content, str):
                info.linkname = content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def resolved(path: Path) -> tuple[list[tuple[str, bytes]], dict[str, int]]:
    """The members that are read with their data, and what is left out."""
    fd = os.open(path, os.O_RDONLY)
    try:
        read, left_out = follow_links(members(Window(fd), str(path)))
        return [(m.name, os.pread(fd, m.size, m.offset)) for m in read], dict(left_out)
    finally:
        os.close(fd)


@given(
    entries=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(LINKS), st.sampled_from([b"0", b"2"])), max_size=7
    )
)
def test_soft_links_lead_where_they_do_on_a_disk(
    entries: list[tuple[str, str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("links")
    tar = write(
        folder / "x.tar",
        *((n, str(k).encode() if t == b"0" else to, t) for k, (n, to, t) in enumerate(entries)),
    )
    root = folder / "root"
    root.mkdir()
    last = {os.path.normpath(name): (k, to, kind) for k, (name, to, kind) in enumerate(entries)}
    for name, (k, to, kind) in last.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if kind == b"0":
            (root / name).write_bytes(str(k).encode())
        else:
            (root / name).symlink_to(to)
    wanted, lost = [], 0
    for k, (name, to, kind) in enumerate(entries):
        if kind == b"0":
            wanted.append((name, str(k).encode()))
            continue
        place = (root / name).parent / to
        if place.is_file() and root in place.resolve().parents and not to.startswith("/"):
            wanted.append((name, place.read_bytes()))
        else:
            lost += 1
    found, left_out = resolved(tar)
    assert found == wanted
    assert sum(left_out.values()) == lost


def test_hard_links_are_second_names_of_earlier_members(tmp_path: Path) -> None:
    found, left_out = resolved(
        write(
            tmp_path / "x.tar",
            ("late", "d/a", b"1"),
            ("d/a", "d/a", b"1"),
            ("d/a", b"1", b"0"),
            ("x", "d/a", b"1"),
            ("d/a", b"2", b"0"),
            ("./y", "./d/a", b"1"),
            ("z", "x", b"1"),
            ("d/a", "d/a", b"1"),
            ("lost", "a", b"1"),
        )
    )
    assert found == [
        ("late", b"1"), ("d/a", b"1"), ("d/a", b"1"), ("x", b"1"), ("d/a", b"2"), ("./y", b"2"),
        ("z", b"1"), ("d/a", b"2"),
    ]  # fmt: skip
    assert left_out == {"link to nothing": 1}


def test_dots_in_names_mean_nothing(tmp_path: Path) -> None:
    found, _ = resolved(
        write(tmp_path / "x.tar", ("./a//b", b"1", b"0"), ("c", "a/./b", b"2"), ("d", "a/b", b"1"))
    )
    assert found == [("./a//b", b"1"), ("c", b"1"), ("d", b"1")]


def test_chains_end(tmp_path: Path) -> None:
    chain: list[Entry] = [(f"{k}", f"{k + 1}", b"2") for k in range(HOPS + 1)]
    found, left_out = resolved(write(tmp_path / "x.tar", *chain, (f"{HOPS + 1}", b"data", b"0")))
    assert [name for name, _ in found] == [f"{k}" for k in range(1, HOPS + 2)]
    assert left_out == {"links in a circle": 1}
    _, left_out = resolved(write(tmp_path / "x.tar", ("a", "b", b"2"), ("b", "a", b"2"), ("c", "c", b"1")))
    assert left_out == {"links in a circle": 3}


def test_what_is_no_file_is_counted_and_a_link_to_it(tmp_path: Path) -> None:
    entries: list[Entry] = [
        ("p", b"", b"6"),
        ("d", b"", b"3"),
        ("?", b"12345", b"A"),
        ("l", "p", b"2"),
        ("f/", b"", b"5"),
    ]
    assert resolved(write(tmp_path / "x.tar", *entries)) == ([], {"no regular file": 4})
    outside: list[Entry] = [("a/l", "../../x", b"2"), ("m", "/x", b"2")]
    assert resolved(write(tmp_path / "x.tar", *outside)) == ([], {"link out of the tar": 2})


def game(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return gzip.compress(np.stack([strategies.sound_record(6, 1, rng) for _ in range(3)]).tobytes())


def test_games_behind_links_are_read_and_the_others_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(
        tmp_path / "x.tar",
        ("0.gz", game(0), b"0"),
        ("1.gz", "0.gz", b"2"),
        ("raw", "0.gz", b"1"),
        ("LICENSE", "0.gz", b"2"),
        ("2.gz", "../2.gz", b"2"),
        ("3.gz", "4.gz", b"2"),
        ("5.gz", "6.gz", b"2"),
    )
    write(tmp_path / "y.tar", ("0.gz", game(1), b"0"), ("1.gz", "2.gz", b"1"))
    graph = fl.discover(str(tmp_path / "*.tar")) >> fl.read("lc0") >> fl.unpack() >> fl.batch(100)
    with caplog.at_level(logging.WARNING, "flowload"), graph.iterate(epochs=2) as batches:
        assert sum(len(batch["planes"]) for batch in batches) == 2 * 3 * 4
        stats = batches.stats().stages["read"]
    assert (stats.in_, stats.out) == (2 * 8, 2 * 4)
    assert stats.dropped == {"link out of the tar": 2, "link to nothing": 6}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2  # of each kind the first, in whichever tar it was found first
    assert all(str(tmp_path) in line for line in told)
    assert any(f"{path}: left out" in line and "link out of the tar" in line for line in told)
    assert FORMAT.describe(str(path), FORMAT.index(str(path))[2]) == "raw (a link to 0.gz)"


def test_a_tar_of_lost_links_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tar", ("0.gz", "1.gz", b"2"), ("p.gz", b"", b"6"))
    with pytest.raises(NoDataError, match="no chunks; found 1 x link to nothing, 1 x no regular file"):
        FORMAT.index(str(path))


def a_game(folder: Path) -> bytes:
    """The first one of the first tar, gzipped."""
    path = min(folder.glob("*.tar"))
    fd = os.open(path, os.O_RDONLY)
    try:
        member = next(member for member in members(Window(fd), str(path)) if member.name.endswith(".gz"))
        return os.pread(fd, member.size, member.offset)
    finally:
        os.close(fd)


def test_members_of_one_name_are_all_read_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shared_lc0: Path
) -> None:
    game = a_game(shared_lc0)
    path = write(tmp_path / "a.tar", ("a.gz", game, b"0"), ("b.GZ", game, b"0"), ("a.gz", game, b"0"))
    graph = fl.discover(path) >> fl.read("lc0") >> fl.unpack() >> fl.batch(64)
    with caplog.at_level(logging.WARNING, "flowload"), graph.iterate(epochs=2) as batches:
        rows = sum(len(batch["planes"]) for batch in batches)
    assert rows == 2 * 3 * (len(gzip.decompress(game)) // 8356)
    told = f"read: {path}: read 1 members all the same: they have the name of an earlier one"
    assert caplog.messages == [told]


def test_gz_in_capitals_is_gz(tmp_path: Path, shared_lc0: Path) -> None:
    game = a_game(shared_lc0)
    (tmp_path / "a.GZ").write_bytes(game)
    graph = fl.discover(tmp_path) >> fl.read("lc0") >> fl.unpack() >> fl.batch(64)
    with graph.iterate(epochs=1) as batches:
        assert sum(len(batch["planes"]) for batch in batches) == len(gzip.decompress(game)) // 8356
