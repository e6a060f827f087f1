"""Nothing that a terminal obeys or a log is forged with gets through, at any face; ordinary text does."""

from __future__ import annotations

import io
import logging
import re
import tarfile
import xml.dom.minidom
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import flowload as fl
from flowload.adapters.prometheus import samples
from flowload.cli.complaint import complain
from flowload.cli.logs import logging_to
from flowload.cli.view.ledger import ledger
from flowload.cli.view.lines import say
from flowload.cli.view.screen import LiveScreen, PlainScreen
from flowload.errors import DataError, FlowloadError, GraphError
from flowload.files.objects.place import Place, Version
from flowload.graph import Graph
from flowload.observe.stall import Dump, Held
from flowload.observe.stats import RunStats
from flowload.observe.verdict import judge
from flowload.picture.dot import to_dot
from flowload.picture.mermaid import to_mermaid
from flowload.picture.scene.moment import Moment, moment_of
from flowload.picture.scene.rails import Rails, rails_of
from flowload.picture.svg.drawing import svg as to_svg
from flowload.picture.svg.wanted import Wanted
from flowload.printable import LOGGERS, printable, text_of
from tests.suite.warm import run_warm

EVIL = "\x1b]0;PWNED\x07\x1b[31m[red]\x9b2J\u202egz\x7f\u2028x\nflowload: all is well\r\ud800"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")


def clean(text: str, *, lines: bool = False) -> bool:
    """Whether nothing of `EVIL` is raw in a text; its escapes are there."""
    return not RAW.search(text) and (lines or "\n" not in text) and "PWNED" in text and "\\x1b" in text


@given(st.text())
def test_what_is_printable_stays_and_the_rest_becomes_an_escape(text: str) -> None:
    shown = printable(text)
    assert not RAW.search(shown)
    assert "\n" not in shown
    assert printable(shown) == shown
    assert printable(text, keep="\n").replace("\n", "\\n") == shown
    if text.isprintable():
        assert shown == text
    shown.encode()  # no surrogate is left


class MuteError(Exception):
    """Neither of its texts can be had."""

    def __str__(self) -> str:
        raise OSError("mute")

    __repr__ = __str__


def test_an_error_without_a_text_is_told_by_its_class() -> None:
    assert text_of(MuteError()) == text_of(MuteError(), repr) == "<MuteError, whose text cannot be had>"
    assert (text_of(ValueError("a")), text_of(ValueError("a"), repr)) == ("a", "ValueError('a')")


@pytest.mark.parametrize(
    "text", ["naïve.gz", "数据 集", "игра", "a\u00a0b\u3000c", "नी\u200dक", "👩\u200d🚀", r"\x1b", "[red]"]
)
def test_ordinary_text_of_any_language_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", [
    "\0", "\x07", "\x1b[0m", "\n", "\r", "\t", "\x7f", "\x9b31m", "\u061c", "\u200b", "\u200e", "\u200f",
    "\u202a", "\u202e", "\u2028", "\u2029", "\u2066", "\u2069", "\ufeff", "\udcff", "\U000e0041",
])  # fmt: skip
def test_what_a_terminal_obeys_or_what_hides_does_not(text: str) -> None:
    assert printable(f"a{text}b").startswith("a\\")
    assert all(character not in printable(text) for character in text if not character.isprintable())


def test_errors() -> None:
    error = DataError(EVIL, where=EVIL, found=EVIL, wanted=EVIL)
    assert clean(str(error))
    assert error.where == EVIL  # for programs
    assert clean(str(DataError("bad", where="x", found=str(error))))
    assert clean(str(GraphError(f"two lines\n{EVIL}")), lines=True)
    assert str(FlowloadError("one\ntwo")) == "one\ntwo"


def test_complaints_of_errors_of_any_kind_with_notes_and_traceback() -> None:
    for kind in (ValueError, GraphError, OSError, KeyError):
        error = kind(EVIL)
        error.add_note(EVIL)
        for verbose in (False, True):
            assert clean(complain(error, verbose=verbose), lines=True)
        first, *rest = complain(error).splitlines()
        assert first.startswith("flowload: ")
        assert all(line.startswith("  ") for line in rest)  # no forged line looks like one of ours


@pytest.mark.parametrize("name", LOGGERS)
def test_log_lines_and_tracebacks(name: str, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger(name)
    try:
        raise ValueError(EVIL)
    except ValueError:
        log.error("%s: %d: 100 %%", EVIL, 3, exc_info=True)
    log.error("fine: %s", "as it is")
    told, fine = caplog.records
    assert clean(told.getMessage())
    assert told.getMessage().endswith(": 3: 100 %")
    assert clean(logging.Formatter().format(told), lines=True)
    assert (fine.msg, fine.args) == ("fine: %s", ("as it is",))


def test_all_of_flowload_s_loggers_are_filtered() -> None:
    root = Path(fl.__file__).parent
    named = {
        name
        for file in root.rglob("*.py")
        for name in re.findall(r"getLogger\(\"([^\"]+)\"\)", file.read_text())
    }
    assert named | {"flowload.progress"} == set(LOGGERS)


@pytest.mark.parametrize("terminal", [False, True])
def test_the_handlers_of_the_command_line(terminal: bool) -> None:
    file = io.StringIO()
    with logging_to(Console(file=file, force_terminal=terminal, width=400, color_system=None), 0):
        logging.getLogger("flowload").warning("%s", EVIL)
    assert clean(file.getvalue().strip().replace("\x1b[0m", ""), lines=True)


@pytest.fixture(scope="module")
def seen() -> tuple[Graph, RunStats]:
    """A run that dropped everything for an evil reason."""
    rows = fl.source(lambda: ({"x": np.zeros(4)} for _ in range(3)))
    graph = rows >> fl.filter(lambda batch: batch["x"] > 1, reason=EVIL) >> fl.batch(8)
    with graph.iterate() as batches:
        assert not list(batches)
        return graph, batches.stats()


def evil(stats: RunStats) -> RunStats:
    """The same with words that nobody made printable."""
    stages = {
        name: stage._replace(dropped={EVIL: 12} if stage.dropped else {}, gauges={EVIL: 1.0})
        for name, stage in stats.stages.items()
    }
    return stats._replace(stages=stages)


def test_the_run_s_own_numbers(seen: tuple[Graph, RunStats]) -> None:
    assert [clean(reason) for reason in seen[1].stages["filter"].dropped] == [True]


def metrics(graph: Graph, stats: RunStats) -> str:
    return "\n".join(" ".join(sample.labels.values()) for sample in samples(stats))


def drawn(graph: Graph, stats: RunStats, title: str = EVIL) -> tuple[Rails, Moment]:
    rails = rails_of(graph.describe(), title)
    return rails, moment_of(rails, stats, [], judge(stats))


def svg(graph: Graph, stats: RunStats) -> str:
    rails, moment = drawn(graph, stats)
    return to_svg(rails, [moment], Wanted(head=True, foot=moment["foot"]))


def dot(graph: Graph, stats: RunStats) -> str:
    return to_dot(*drawn(graph, stats)).replace("\\\\", "\\")


def mermaid(graph: Graph, stats: RunStats) -> str:
    return to_mermaid(*drawn(graph, stats)).replace("#92;", "\\")


def panels(graph: Graph, stats: RunStats) -> str:
    """All that a page is told; JSON would hide what is not printable."""
    moment = drawn(graph, stats)[1]
    every = [moment["panel"], *moment["stages"]]
    words = [word for sections in every for one in sections for row in one["rows"] for word in row]
    return "\n".join(map(str, words))


def books(graph: Graph, stats: RunStats) -> str:
    return "\n".join(ledger(stats))


def live(graph: Graph, stats: RunStats) -> str:
    return screen(stats, terminal=True)


def plain(graph: Graph, stats: RunStats) -> str:
    return screen(stats, terminal=False)


FACES = [metrics, svg, dot, mermaid, panels, books, live, plain]


def screen(stats: RunStats, *, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=300, color_system=None)
    shown = LiveScreen(console) if terminal else PlainScreen(console)
    shown.paint(stats, {EVIL: 1, "b": 2})
    shown.close(stats, {EVIL: 1, "b": 2})
    shown.say([EVIL])
    return re.sub(r"\x1b\[(\?25[lh]|[0-9]*[AK]|0m)|\r", "", file.getvalue())  # rich's own: cursor, lines


@pytest.mark.parametrize("face", FACES)
def test_every_face(face: Callable[[Graph, RunStats], str], seen: tuple[Graph, RunStats]) -> None:
    graph, stats = seen
    for numbers in (stats, evil(stats)):
        shown = face(graph, numbers)
        assert clean(shown, lines=True)
        assert "\nflowload: all is well" not in shown


def test_the_svg_is_xml(seen: tuple[Graph, RunStats]) -> None:
    graph, stats = seen
    rails, moment = drawn(graph, evil(stats), title=f"{EVIL}<img src=x>")
    picture = to_svg(rails, [moment], Wanted(head=True))
    xml.dom.minidom.parseString(picture)
    assert "<img" not in picture


def test_drawings_with_evil_parameters() -> None:
    graph = fl.source(lambda: ()) >> fl.filter(lambda batch: batch, reason=EVIL)
    for picture in (repr(graph), graph.to_dot(), graph.to_mermaid().replace("#92;", "\\")):
        assert clean(picture.replace("\\\\", "\\"), lines=True)


def test_dumps() -> None:
    held = Held("stage", 3, EVIL, EVIL, 1.0, (EVIL,))
    dump = Dump((held,), (EVIL,))
    assert clean(dump.headline)
    assert clean(dump.lines()[-1])
    assert not any(RAW.search(line) or "\n" in line for line in dump.lines())


def test_what_commands_say() -> None:
    shown = CliRunner().invoke(click.command()(lambda: say(EVIL))).output
    assert clean(shown, lines=True)
    root = Path(fl.__file__).parent
    others = [
        file.name
        for file in (root / "cli").glob("*.py")
        if re.search(r"click\.s?echo|\bprint\(|\.secho", file.read_text()) and file.name not in ("lines.py",)
    ]
    assert [name for name in others if name not in {"screen.py", "run.py"}] == []  # these print Text


@pytest.mark.slow
def test_the_command_line_on_a_tar_with_an_evil_member(tmp_path: Path) -> None:
    name = EVIL.replace("\ud800", "").replace("\n", "") + ".gz"
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo(name)
        info.size = 600
        tar.addfile(info, io.BytesIO(bytes(600)))
    pipeline = Path(fl.__file__).parents[1] / "pipelines/chess.py"
    for policy in ("raise", "skip"):
        command = ["-m", "flowload.cli", "run", str(pipeline), "--data", str(tmp_path)]
        told = run_warm(*command, "--device", "cpu", "--on-error", policy)
        assert clean(told.stdout + told.stderr, lines=True)


@pytest.mark.parametrize(
    "url", ["s3://bucket/run1/x 1.tar", "memory://b/../a//.hidden/x y/é%/x.tar", "https://host:80/x.tar"]
)
@pytest.mark.parametrize("root", ["/cache", "/my caches/a", "/"])
def test_an_object_in_a_cache_is_called_by_its_url(url: str, root: str) -> None:
    path = Place(root.rstrip("/"), url, Version("0123456789abcdef", 512)).path
    assert printable(path) == url
    assert printable(f"in /data/x and {path}: no chunks") == f"in /data/x and {url}: no chunks"
    assert str(DataError("no chunks", where=f"{path}, byte 5")) == f"{url}, byte 5: no chunks"
    assert printable(printable(repr(path))) == repr(url)
