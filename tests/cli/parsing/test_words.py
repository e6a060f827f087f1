from __future__ import annotations

import click
import pytest

from flowload.cli.parsing.words import file_place, join_lists, spell_bools, verbosity
from flowload.graph.pipelines.options import SEVERAL, from_text

OWN = [
    click.Option(["--batches"], type=int),
    click.Option(["--plain"], is_flag=True),
    click.Option(["-v", "--verbose"], count=True),
]


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("chess.py", "chess.py"),
        ("chess.py --data other.py", "chess.py"),
        ("chess --data other.py", "chess"),
        ("--batches 3 chess.py", "chess.py"),
        ("--batches=3 chess.py", "chess.py"),
        ("--plain chess.py", "chess.py"),
        ("-vv chess.py", "chess.py"),
        ("--batch-size 512 chess.py", "chess.py"),
        ("--shuffle chess.py --batches 3", "chess.py"),
        ("--plain chess", "chess"),
        ("--batch-size 512 chess", "chess"),
        ("--data games/a.tar games/b.tar chess", "chess"),
        ("--batches 3", None),
        ("--help", None),
        ("", None),
    ],
)
def test_the_file_is_found_wherever_it_stands(line: str, file: str | None) -> None:
    words = line.split()
    place = file_place(words, OWN)
    assert (None if place is None else words[place]) == file


@pytest.mark.parametrize(
    ("line", "spelled"),
    [
        ("--shuffle", "--shuffle"),
        ("--no-shuffle", "--no-shuffle"),
        ("--shuffle=false", "--no-shuffle"),
        ("--shuffle=True", "--shuffle"),
        ("--shuffle off --rate 1", "--no-shuffle --rate 1"),
        ("--shuffle 1", "--shuffle"),
        ("--shuffle --rate 1", "--shuffle --rate 1"),
        ("--shuffle maybe", "--shuffle maybe"),
        ("--shuffle=maybe", "--shuffle=maybe"),
        ("--rate false", "--rate false"),
        ("--rate=0", "--rate=0"),
    ],
)
def test_a_bool_may_be_given_as_a_word(line: str, spelled: str) -> None:
    assert spell_bools(line.split(), ["--shuffle"]) == spelled.split()


@pytest.mark.parametrize(
    ("line", "level"),
    [("", 0), ("-v", 1), ("-vv", 2), ("-v -v", 2), ("--verbose x", 1), ("--plain -", 0), ("--vivid", 0)],
)
def test_verbosity_is_known_before_parsing(line: str, level: int) -> None:
    assert verbosity(line.split()) == level


@pytest.mark.parametrize(
    ("line", "joined"),
    [
        ("--data a b c --x 1", "--data a;b;c --x 1"),
        ("--x 1 --data a b", "--x 1 --data a;b"),
        ("--data a", "--data a"),
        ("--data a,b c", "--data a,b;c"),  # a name may have a comma
        ("--data a,b", "--data a,b"),
        ("--data=a b", "--data=a b"),  # one word: its value is whole
        ("--data a -v b", "--data a -v b"),
        ("--x a b", "--x a b"),
        ("--data", "--data"),
        ("--data --x", "--data --x"),
    ],
)
def test_what_a_shell_has_expanded_is_one_list(line: str, joined: str) -> None:
    assert join_lists(line.split(), ["--data"]) == joined.replace(";", SEVERAL).split(" " if joined else None)


def test_names_with_commas_stay_whole_where_a_shell_has_expanded_them() -> None:
    (word,) = join_lists(["--data", "a,1.tar", "b.tar"], ["--data"])[1:]
    assert from_text(list[str], word) == ["a,1.tar", "b.tar"]
    assert from_text(list[str], "a.tar,b.tar") == ["a.tar", "b.tar"]
