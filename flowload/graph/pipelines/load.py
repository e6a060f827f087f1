"""Pipeline files: `@pipeline` marks the one function that draws, its parameters are the options."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Generic, ParamSpec, TypeAlias

from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.regular import opened
from flowload.graph.build import Graph
from flowload.printable import printable

from .options import Option, accept, known_option, read_options
from .shipped import hint, located

__all__ = ["Pipeline", "executed", "load", "noted", "options_of", "pipeline"]

P = ParamSpec("P")
FilePath: TypeAlias = str | os.PathLike[str]


class Pipeline(Generic[P]):
    """A function that draws a graph, and its options; calling it draws."""

    __name__: str  # taken over from the function

    def __init__(self, function: Callable[P, Graph]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options: tuple[Option, ...] = read_options(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """Draw; raises GraphError when what comes back is no graph."""
        graph: object = self.function(*args, **kwargs)
        if not isinstance(graph, Graph):
            raise GraphError(f"the pipeline {self.__name__!r} returned {graph!r}; wanted a graph")
        return graph

    def drawn(self, path: FilePath, options: dict[str, Any]) -> Graph:
        """Draw by checked options only; the graph knows where it comes from: capsules say so."""
        drawn = self(**options)  # type: ignore[call-arg]
        graph = Graph(drawn.ends, drawn.sinks)
        kept = {
            name: str(value) if isinstance(value, os.PathLike) else value for name, value in options.items()
        }
        object.__setattr__(graph, "loaded", {"path": os.fspath(path), "options": kept})
        return graph

    def checked(self, options: dict[str, object], owner: str) -> dict[str, Any]:
        """Options checked against their types; raises OptionError."""
        return {
            name: accept(known_option(self.options, name, owner), value) for name, value in options.items()
        }


def pipeline(function: Callable[P, Graph]) -> Pipeline[P]:
    """Mark the one function of a file that draws its graph.

    Every parameter needs a type (str, int, float, bool, Path, Literal, a list or tuple of these, or None
    beside them) and a default. Raises GraphError.

    Examples:
        >>> @fl.pipeline
        ... def numbers(*, rows: int = 10, batch_size: int = 4) -> fl.Graph:
        ...     return fl.rows(rows) >> fl.batch(batch_size)
        >>> with numbers(rows=8).iterate() as batches:
        ...     print([len(batch["index"]) for batch in batches])
        [4, 4]
    """
    if not isinstance(function, FunctionType):
        raise GraphError(f"@pipeline marks a function, not {function!r}")
    return Pipeline(function)


def load(path: FilePath, /, **options: object) -> Graph:
    """Draw the graph of a pipeline file.

    Args:
        path: the file; it is executed. Or the name of a pipeline that ships with flowload, such as "chess".
        options: values for the parameters of its `@pipeline` function.

    Raises GraphError (no such file, not one pipeline), OptionError (an unknown option, a value that
    does not fit), and whatever the file raises, noted with its path.

    Examples:
        >>> from pathlib import Path
        >>> text = '''
        ... import flowload as fl
        ...
        ... @fl.pipeline
        ... def numbers(*, rows: int = 10, batch_size: int = 4) -> fl.Graph:
        ...     return fl.rows(rows) >> fl.batch(batch_size)
        ... '''
        >>> _ = Path("numbers.py").write_text(text)
        >>> with fl.load("numbers.py", batch_size=5).iterate() as batches:
        ...     print([len(batch["index"]) for batch in batches])
        [5, 5]
    """
    with executed(Path(path)) as drawer:
        checked = drawer.checked(options, os.fspath(path))
        with noted(Path(path)):
            return drawer.drawn(path, checked)


def options_of(path: FilePath, /) -> tuple[Option, ...]:
    """The options of a pipeline file, in the order of its function's parameters; raises as `load`."""
    with executed(Path(path)) as drawer:
        return drawer.options


@contextmanager
def executed(path: Path) -> Iterator[Pipeline[...]]:
    """The one pipeline of a file; meanwhile its module can be imported by its name."""
    path = located(path)
    source = read_source(path)
    module = ModuleType(path.stem)
    # Dataclasses and type hints look up the module that they are in; a name of its own hides no other.
    module.__name__ = f"{path.stem}@{id(module):x}"
    module.__file__ = os.fspath(path.absolute())
    sys.modules[module.__name__] = module
    try:
        with noted(path):
            exec(compile(source, os.fspath(path), "exec", dont_inherit=True), module.__dict__)
        yield only_pipeline(module, path)
    finally:
        sys.modules.pop(module.__name__, None)


def read_source(path: Path) -> bytes:
    """The file's bytes, without waiting for the writer of a pipe. Raises GraphError."""
    if path.suffix != ".py":
        raise GraphError(f"{path} is not a pipeline file; wanted a Python file (.py){hint(path)}")
    try:
        with opened(path, "a Python file") as fd, os.fdopen(fd, "rb", closefd=False) as file:
            return file.read()
    except NoDataError as error:
        raise GraphError(f"no pipeline file {path}: No such file or directory{hint(path)}") from error
    except DataError as error:
        raise GraphError(f"no pipeline file {path}: {error.found or error.reason}") from error


def only_pipeline(module: ModuleType, path: Path) -> Pipeline[...]:
    """The pipeline that the file defines; those that it imports do not count."""
    values = {id(value): value for value in vars(module).values() if isinstance(value, Pipeline)}
    own = [value for value in values.values() if value.function.__module__ == module.__name__]
    if len(own) == 1:
        return own[0]
    found = "none" if not own else ", ".join(drawer.__name__ for drawer in own)
    raise GraphError(f"{path} must mark one function with @pipeline; found {found}")


@contextmanager
def noted(path: Path) -> Iterator[None]:
    """Note the file on whatever it raises."""
    try:
        yield
    except Exception as error:
        error.add_note(printable(f"in the pipeline file {path}"))
        raise
