from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from flowload.cli.parsing.command import Asked, FileCommand
from flowload.errors import GraphError, OptionError

BODY = """
@fl.pipeline
def draw(
    *,
    batch_size: int = 4,
    rate: float | None = None,
    shuffle: bool = True,
    layout: Literal["a", "b"] = "a",
    data: list[str] = ["x", "y"],
):
    '''Draw.

    Args:
        batch_size: Samples in each batch.
    '''
    return fl.source(batches(1, batch_size))
"""


@pytest.fixture
def file(write: Callable[..., str]) -> str:
    return write(BODY)


def parse(*args: str) -> tuple[Asked, dict[str, Any]]:
    """What a command with one option of its own makes of a command line."""
    own: dict[str, Any] = {}

    @click.command("do", cls=FileCommand)
    @click.argument("file")
    @click.option("--batches", type=int)
    @click.option("-v", "--verbose", count=True)
    @click.pass_obj
    def command(asked: Asked, /, **given: Any) -> Asked:
        own.update(given)
        return asked

    asked: Asked = command.main(list(args), "do", standalone_mode=False)
    return asked, own


def test_options_that_are_not_given_are_left_to_the_function(file: str) -> None:
    asked, own = parse(file)
    assert asked.file.given == {}
    assert own == {"file": file, "batches": None, "verbose": 0}
    assert asked.file.values() == {
        "batch_size": 4,
        "rate": None,
        "shuffle": True,
        "layout": "a",
        "data": ["x", "y"],
    }


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["--batch-size", "8"], {"batch_size": 8}),
        (["--batch-size=8"], {"batch_size": 8}),
        (["--rate", "0.5"], {"rate": 0.5}),
        (["--rate", "none"], {"rate": None}),
        (["--no-shuffle"], {"shuffle": False}),
        (["--shuffle"], {"shuffle": True}),
        (["--shuffle", "false"], {"shuffle": False}),
        (["--layout", "b"], {"layout": "b"}),
        (["--data", "p,q"], {"data": ["p", "q"]}),
    ],
)
def test_options_are_read_by_their_types(file: str, words: list[str], given: dict[str, Any]) -> None:
    assert parse(file, *words)[0].file.given == given
    assert parse(*words, file)[0].file.given == given
    assert parse("--batches", "3", *words, file)[1]["batches"] == 3


def test_the_graph_is_drawn_with_them(file: str) -> None:
    asked, _ = parse(file, "--batch-size", "8")
    assert asked.file.draw().plan.ends[0].name == "out"


def test_the_file_is_executed_once(write: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    asked, _ = parse(write(BODY + "print('executed')\n"))
    asked.file.draw()
    assert capsys.readouterr().out == "executed\n"


def test_an_unknown_option_lists_the_known_ones(file: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse(file, "--batch-sizes", "8")
    assert caught.value.format_message() == (
        "no option --batch-sizes (did you mean --batch-size?); "
        f"{file} has --batch-size --rate --shuffle --layout --data; "
        "flowload do has --batches --verbose"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch-size", "many"], "batch_size is 'many'; wanted an int"),
        (["--layout", "c"], "layout is 'c'; wanted 'a' or 'b'"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(file: str, words: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse(file, *words)


@pytest.mark.parametrize("words", [["--batch-size"], ["--batches", "x"], ["extra"], ["--shuffle=maybe"]])
def test_a_line_that_makes_no_sense_is_refused(file: str, words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(file, *words)


def test_no_file_is_a_missing_argument() -> None:
    with pytest.raises(click.MissingParameter):
        parse("--batches", "3")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"no pipeline file .*nothing\.py: No such file"):
        parse(str(tmp_path / "nothing.py"))


def test_an_option_may_not_hide_one_of_the_command(write: Callable[..., str]) -> None:
    twin = write("@fl.pipeline\ndef draw(*, batches: int = 1): ...\n")
    with pytest.raises(GraphError, match="the option 'batches' has the name of an option of 'flowload do'"):
        parse(twin)


def test_an_option_may_have_the_name_of_the_argument(write: Callable[..., str]) -> None:
    asked, own = parse(write("@fl.pipeline\ndef draw(*, file: str = 'x'): ...\n"), "--file", "y")
    assert asked.file.given == {"file": "y"}
    assert own["file"].endswith("pipe.py")


def test_help_lists_the_options_of_the_file(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_help(file)
    told = " ".join(capsys.readouterr().out.split())
    assert f"Options of {file}: --batch-size int Samples in each batch. [4]" in told.replace("- ", "-")
    assert "--rate float|None [none] --shuffle / --no-shuffle [on] --layout a|b [a]" in told
    assert "--data list[str] [x,y] Options of flowload do: --batches" in told


def command_help(file: str) -> None:
    @click.command("do", cls=FileCommand)
    @click.argument("file")
    @click.option("--batches", type=int)
    def command(**given: Any) -> None: ...

    command.main([file, "--help"], "do")
