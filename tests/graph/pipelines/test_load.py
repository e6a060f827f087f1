"""Pipeline files: loaded without a trace, and what is wrong with one is said."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from flowload.errors import GraphError, OptionError
from flowload.graph import Graph, load, options_of, pipeline
from tests.graph.drawings import head, mapped, source

GOOD = '''
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
from flowload.graph import Graph, pipeline
from tests.graph.drawings import mapped, source

@dataclass(frozen=True)
class Settings:
    kind: ClassVar[str] = "x"
    mark: int = 0

def double(x: int) -> int:
    return 2 * x

@pipeline
def chess(mark: int = 1, rate: float = 0.5) -> Graph:
    """Draw.

    Args:
        mark: a number.
    """
    return source(Settings(mark).mark) >> mapped(function=double)
'''


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(text: str, name: str = "chess.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_file_draws_with_its_options(file: Any) -> None:
    path = file(GOOD)
    graph = load(path, mark=7)
    assert graph.nodes()[0].stage.parameters() == {"mark": 7}
    assert load(str(path)) == load(path, mark=1)
    assert load(path) != graph


def test_nothing_stays_behind(file: Any) -> None:
    path = file(GOOD)
    before = dict(sys.modules)
    load(path)
    options_of(path)
    assert sys.modules == before
    path.write_text("raise KeyError('x')")
    with pytest.raises(KeyError):
        load(path)
    assert sys.modules == before


def test_options_are_told(file: Any) -> None:
    assert [(o.name, o.type, o.default, o.help) for o in options_of(file(GOOD))] == [
        ("mark", "int", 1, "a number."),
        ("rate", "float", 0.5, ""),
    ]


def test_options_are_checked(file: Any) -> None:
    path = file(GOOD)
    with pytest.raises(OptionError, match=r"^mark is '7'; wanted an int$"):
        load(path, mark="7")
    with pytest.raises(
        OptionError, match=r"chess.py has no option 'marc'; did you mean 'mark'\? known: mark, rate$"
    ):
        load(path, marc=7)
    load(path, rate=1)


def test_an_option_may_be_called_path(file: Any) -> None:
    path = file(GOOD.replace("rate: float = 0.5", "path: str = ''"))
    assert isinstance(load(path, path="x"), Graph)


def test_the_decorated_function_stays_callable() -> None:
    @pipeline
    def mine(mark: int = 3) -> Graph:
        """Draw mine."""
        return source(mark) >> mapped()

    assert mine(mark=4) == source(4) >> mapped()
    assert mine(5).nodes()[0].stage.parameters() == {"mark": 5}
    assert mine.__name__ == "mine"
    assert mine.__doc__ == "Draw mine."
    assert [option.name for option in mine.options] == ["mark"]


def test_only_functions_are_pipelines() -> None:
    with pytest.raises(GraphError, match="@pipeline marks a function, not <class 'int'>"):
        pipeline(int)  # type: ignore[arg-type]


def test_bad_parameters_are_refused_when_decorated() -> None:
    with pytest.raises(GraphError, match=r"parameter 'x' of the pipeline .* has no default"):

        @pipeline
        def bad(x: int) -> Graph:
            return head()


def test_what_is_no_graph_is_refused() -> None:
    @pipeline
    def nothing() -> Graph:
        return None  # type: ignore[return-value]

    with pytest.raises(GraphError, match=r"the pipeline 'nothing' returned None; wanted a graph"):
        nothing()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"no pipeline file .*gone\.py: No such file or directory"):
        load(tmp_path / "gone.py")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(GraphError, match=r"no pipeline file .*folder\.py: a folder"):
        load(tmp_path / "folder.py")
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(GraphError, match=r"no pipeline file .*pipe\.py: a pipe"):
        load(tmp_path / "pipe.py")


def test_a_file_that_is_not_python(file: Any) -> None:
    with pytest.raises(
        GraphError, match=r"chess\.toml is not a pipeline file; wanted a Python file \(\.py\)"
    ):
        load(file("", "chess.toml"))


def test_a_file_without_a_pipeline(file: Any) -> None:
    with pytest.raises(GraphError, match=r"chess\.py must mark one function with @pipeline; found none"):
        load(file("x = 1"))


def test_a_file_with_two_pipelines(file: Any) -> None:
    twice = "\n@pipeline\ndef other() -> Graph: ...\nagain = other\n"
    with pytest.raises(GraphError, match="must mark one function with @pipeline; found chess, other"):
        load(file(GOOD + twice))


def test_imported_pipelines_do_not_count(file: Any) -> None:
    imported = "\nfrom tests.graph.pipelines.test_load import imported\n"
    assert isinstance(load(file(GOOD + imported)), Graph)


@pipeline
def imported() -> Graph:
    return head()


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("x = 1\n1 / 0\n", ZeroDivisionError, "1 / 0"),
        ("import nowhere_at_all\n", ModuleNotFoundError, "import nowhere_at_all"),
        (GOOD.replace("return source", "return None.x, source"), AttributeError, "return None.x, source"),
    ],
)
def test_what_a_file_raises_keeps_its_traceback(
    file: Any, text: str, kind: type[Exception], line: str
) -> None:
    path = file(text)
    with pytest.raises(kind) as caught:
        load(path)
    assert caught.value.__notes__ == [f"in the pipeline file {path}"]
    last = traceback.extract_tb(caught.tb)[-1]
    assert (last.filename, (last.line or "").split(")")[0][: len(line)]) == (str(path), line)


def test_a_file_that_does_not_parse(file: Any) -> None:
    path = file("def broken(:\n")
    with pytest.raises(SyntaxError) as caught:
        load(path)
    assert caught.value.filename == str(path)
    assert caught.value.__notes__ == [f"in the pipeline file {path}"]


def test_wrong_wiring_names_the_files_line(file: Any) -> None:
    path = file(
        "from flowload.graph import *\nfrom tests.graph.drawings import Map, Source\n"
        "@pipeline\ndef chess() -> Graph:\n    return place(Source()) >> place(Source())\n"
    )
    with pytest.raises(GraphError, match=r"no open input: .* declared at .*chess\.py:5\n"):
        load(path)


def test_a_file_knows_its_own_place(file: Any) -> None:
    path = file(
        "from pathlib import Path\nHERE = Path(__file__).parent\n"
        + GOOD.replace("from __future__ import annotations\n", "")
        + "\nassert HERE.is_absolute()\n"
    )
    assert isinstance(load(path), Graph)
