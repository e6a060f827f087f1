"""Patterns, folders and files to paths."""

from __future__ import annotations

import glob
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import ClosedRun, DataError, NoDataError
from flowload.files.visible import visible
from flowload.stages.files import glob as finding
from flowload.stages.files.glob import Pattern, Search, natural
from flowload.stages.files.walk import entries

NAMES = st.sampled_from(["a", "b1", "b10", ".h", "x.tar", "y.gz", "z.tar.part", "_"])
TREES = st.sets(st.lists(NAMES, min_size=1, max_size=3).map(tuple), max_size=12)
PARTS = st.sampled_from(["*", "**", "a", "b*", "*.tar", "[ab]*", ".h", "?", "*1"])
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).filter(lambda parts: glob.has_magic("/".join(parts)))


def write_tree(root: Path, tree: set[tuple[str, ...]]) -> list[str]:
    """Make the files of a tree that can exist beside each other; their paths."""
    made = []
    for parts in sorted(tree, key=len):
        path = root.joinpath(*parts)
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            made.append(str(path))
    return made


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(paths: list[str]) -> list[str]:
    return [Path(path).name for path in paths]


@given(TREES, PATTERNS)
def test_patterns_find_what_glob_finds(tree: set[tuple[str, ...]], parts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = write_tree(Path(folder), tree)
        pattern = "/".join([glob.escape(folder), *parts])
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - the oracle is not pathlib's
        # Before Python 3.13 it takes `file/**` for the file, spelled as a folder; nobody means that.
        paths = [Path(name) for name in found if not name.endswith("/")]
        wanted = {str(path) for path in paths if path.is_file() and visible(path.name)}
        search = Search.of([f"{folder}/{'/'.join(parts)}"])
        assert set(search.find_any()) == wanted
        assert {path for path in made if search.wants(path)} == set(search.find_any())


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_digits_compare_as_numbers(numbers: list[int]) -> None:
    paths = [f"run-{number}.tar" for number in numbers]
    random.Random(0).shuffle(paths)
    assert sorted(paths, key=natural) == [f"run-{number}.tar" for number in sorted(numbers)]


@given(st.lists(st.text("ab01/", min_size=1), unique=True))
def test_natural_order_is_total(paths: list[str]) -> None:
    wanted = sorted(paths, key=natural)
    paths.reverse()
    assert sorted(paths, key=natural) == wanted
    assert len({natural(path) for path in paths}) == len(paths)


def test_the_name_is_the_sort_key_and_the_path_breaks_ties() -> None:
    paths = ["z/game2.gz", "a/game10.gz", "b/game2.gz", "c/game1.gz"]
    assert sorted(paths, key=natural) == ["c/game1.gz", "b/game2.gz", "z/game2.gz", "a/game10.gz"]


def test_a_folder_gives_the_files_whose_endings_fit(tmp_path: Path) -> None:
    touch(tmp_path, "b.tar", "a.GZ", "c.txt", ".d.tar", "e.tar.part", "f.tar~", "sub/g.tar")
    assert names(Search.of([str(tmp_path)], (".tar", ".gz")).find()) == ["a.GZ", "b.tar"]
    assert names(Search.of([str(tmp_path)]).find()) == ["a.GZ", "b.tar", "c.txt"]


def test_a_pattern_that_ends_with_a_slash_means_folders(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.tar", "y/b.tar", "y/c.txt", "d.tar")
    assert names(Search.of([f"{tmp_path}/*/"], (".tar",)).find()) == ["a.tar", "b.tar"]
    assert names(Search.of([f"{tmp_path}/**/"], (".tar",)).find()) == ["a.tar", "b.tar", "d.tar"]


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden.part", "odd[1]*.tar")
    assert names(Search.of([f"{tmp_path}/.hidden.part"], (".tar",)).find()) == [".hidden.part"]
    assert names(Search.of([f"{tmp_path}/odd[1]*.tar"]).find()) == ["odd[1]*.tar"]


def test_duplicates_come_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.tar", "b.tar")
    monkeypatch.chdir(tmp_path)
    assert Search.of(["*.tar", "./a.tar", str(tmp_path / "b.tar")]).find() == ["a.tar", "b.tar"]


def test_relative_and_home_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "data/a.tar")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Search.of(["data"]).find() == ["data/a.tar"]
    assert Search.of(["data/a.tar"]).find() == ["data/a.tar"]
    assert Search.of(["**/*.tar"]).find() == ["data/a.tar"]
    assert Search.of(["~/data/*.tar"]).find() == [f"{tmp_path}/data/a.tar"]
    assert Search.of(["data"], absolute=True).find() == [f"{tmp_path}/data/a.tar"]


def test_links_are_followed_but_never_in_a_circle(tmp_path: Path) -> None:
    touch(tmp_path, "data/run/a.tar", "elsewhere/b.tar")
    (tmp_path / "data/circle").symlink_to(tmp_path / "data")
    (tmp_path / "data/away").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/nowhere.tar").symlink_to(tmp_path / "absent")
    (tmp_path / "data/itself.tar").symlink_to(tmp_path / "data/itself.tar")
    assert names(Search.of([f"{tmp_path}/data/**/*.tar"]).find()) == ["a.tar", "b.tar"]


def test_hidden_folders_are_not_looked_into_unless_they_are_named(tmp_path: Path) -> None:
    hidden = [".git/a.tar", "data/.cache/b.tar", "data/.cache/deep/c.tar", "data/deep/.x/d.tar"]
    touch(tmp_path, *hidden, "data/e.tar", "f.tar", "data/deep/g.tar")
    every = Search.of([f"{tmp_path}/**/*.tar"])
    assert names(every.find()) == ["e.tar", "f.tar", "g.tar"]
    assert names(Search.of([f"{tmp_path}/**"]).find()) == ["e.tar", "f.tar", "g.tar"]
    assert names(Search.of([f"{tmp_path}/*/*.tar"]).find()) == ["e.tar"]
    assert [every.wants(str(tmp_path / path)) for path in hidden] == [False] * 4
    assert all(every.wants(str(tmp_path / path)) for path in ("data/e.tar", "f.tar", "data/deep/g.tar"))
    named = Search.of([f"{tmp_path}/**/.cache/**/*.tar"])
    assert names(named.find()) == ["b.tar", "c.tar"]
    assert [named.wants(str(tmp_path / path)) for path in hidden] == [False, True, True, False]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"gone\.tar: no such file"):
        Search.of([f"{tmp_path}/gone.tar"]).find()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("*.tar", "2 other files and 1 folders"),
        ("nowhere/*.tar", "no folder"),
        ("", "names ending in .tar or .gz"),
        ("**/*.tar", "names like **/*.tar"),
    ],
)
def test_nothing_found_says_what_was_looked_at(tmp_path: Path, text: str, said: str) -> None:
    touch(tmp_path, "a.txt", "b.npy", "sub/c.txt")
    with pytest.raises(NoDataError) as caught:
        Search.of([f"{tmp_path}/{text}"], (".tar", ".gz")).find()
    assert said in str(caught.value)
    assert f"{tmp_path}/{text}" in str(caught.value)


def test_one_empty_place_among_several_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.tar")
    search = Search.of([f"{tmp_path}/*.tar", f"{tmp_path}/*.gz"])
    with pytest.raises(NoDataError, match=r"\*\.gz"):
        search.find()
    assert names(search.find_any()) == ["a.tar"]


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match="unreadable folder; found Permission denied"):
        Search.of([f"{tmp_path}/*.tar"]).find()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "shut/a.tar")
    (tmp_path / "shut").chmod(0)
    with pytest.raises(DataError, match=r"shut: unreadable folder"):
        Search.of([f"{tmp_path}/**/*.tar"]).find()


def test_a_folder_that_went_in_between_is_empty(tmp_path: Path) -> None:
    assert entries(str(tmp_path / "gone")) == []


def test_places_that_can_be_watched(tmp_path: Path) -> None:
    touch(tmp_path, "a.tar")
    Search.of([str(tmp_path), f"{tmp_path}/*.gz", f"{tmp_path}/a.tar"]).check()
    for absent in ("b.tar", "no/*.tar"):
        with pytest.raises(NoDataError):
            Search.of([f"{tmp_path}/{absent}"]).check()


def test_what_an_event_may_mean(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    flat = Search.of([str(tmp_path)])
    deep = Search.of([f"{tmp_path}/**/*.tar"])
    assert not flat.unclear(f"{tmp_path}/sub")
    assert deep.unclear(f"{tmp_path}/sub")
    assert not deep.unclear(f"{tmp_path}/a.tar")
    assert flat.unclear("/elsewhere/a.tar")
    assert not flat.wants(f"{tmp_path}-beside/a.tar")
    assert not flat.wants(f"{tmp_path}")
    assert (flat.recursive, deep.recursive) == (False, True)
    assert flat.roots == deep.roots == [str(tmp_path)]


def test_a_place_is_a_value(tmp_path: Path) -> None:
    assert Pattern.of(str(tmp_path), ()) == Pattern.of(str(tmp_path), ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a" * 300, "name too long"),
        ("a" * 300 + "/*.tar", "name too long"),
        ("loop/*", "unreadable folder"),
        ("s\ud800/*.tar", "bad name"),
        ("~nobody-of-this-name/x.tar", "no home folder"),
        ("file/x", "no such file"),
    ],
)
def test_what_no_folder_can_tell_is_bad_data(
    tmp_path: Path, text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("loop").symlink_to("loop")
    with pytest.raises(DataError) as caught:
        Search.of([text]).find()
    assert caught.value.reason == reason
    str(caught.value).encode()


def test_many_names_are_in_order_and_the_search_can_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "PIECE", 7)
    for number in range(60):
        (tmp_path / f"a{number}.tar").write_text("")
    found = Search.of([str(tmp_path)]).find()
    assert [Path(path).name for path in found] == [f"a{number}.tar" for number in range(60)]
    asked = []

    def count() -> None:
        asked.append(1)

    Search.of([str(tmp_path)]).find(count)
    total = len(asked)
    assert total >= 4 * 60  # read, looked at, told apart, sorted
    for after in (0, 59, 130, total - 1):
        asked.clear()

        def stop() -> None:
            asked.append(1)
            if len(asked) > after:  # noqa: B023 - called at once
                raise ClosedRun

        with pytest.raises(ClosedRun):
            Search.of([str(tmp_path)]).find(stop)
