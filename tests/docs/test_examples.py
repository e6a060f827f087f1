"""Every public word has an example in its docstring, and what the example says is what happens."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
import flowload.abc
import flowload.errors
from flowload.sample import sample_path

from .pages import ROOT

PUBLIC = (
    "flowload",
    *(["flowload.adapters.huggingface"] if importlib.util.find_spec("transformers") else []),
    "flowload.adapters.jax",
    "flowload.adapters.prometheus",
    "flowload.adapters.torch",
    "flowload.dropin",
    "flowload.formats.games",
    "flowload.formats.molecules",
    "flowload.formats.rows",
    "flowload.sample",
    "flowload.testing",
)
ITSELF = {"flowload.FlowloadError"}  #: of which nobody makes one
CONSTANTS = {"CHUNK", "ORIGIN"}  #: dtypes, described where they are used
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def names_of(module: str) -> list[str]:
    """Its `__all__`, read: to import what all of them need takes seconds, and few tests use it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for line in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__all__":
            return list(ast.literal_eval(line.value))
    raise AssertionError(f"{module} has no list of names")


def public_names() -> list[str]:
    return [
        f"{module}.{name}"
        for module in PUBLIC
        for name in names_of(module)
        if f"{module}.{name}" not in ITSELF
    ]


@pytest.mark.parametrize("full", public_names())
def test_the_example_of_a_public_name(full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(full.rpartition(".")[0])
    value = getattr(module, full.rpartition(".")[2])
    names = {**vars(inspect.getmodule(value)), "fl": fl, "np": np, "sample_path": sample_path}
    names |= {name: getattr(module, name) for name in module.__all__} if module is not fl else {}
    run(full, inspect.getdoc(value) or "", names)
    for name, member in vars(value).items() if inspect.isclass(value) else ():
        text = inspect.getdoc(member) or ""
        if not name.startswith("_") and ">>>" in text:
            run(f"{full}.{name}", text, names)


def run(full: str, text: str, names: dict[str, Any]) -> None:
    """Run the examples of a docstring. Fails where there is none."""
    test = doctest.DocTestParser().get_doctest(text, names, full, None, 0)
    assert test.examples, f"{full} has no example"
    told: list[str] = []
    write: Callable[[str], object] = told.append
    result = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False).run(test, out=write)
    assert result.failed == 0, "".join(told)


def test_an_example_that_is_wrong_is_seen() -> None:
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        run("two", ">>> 1 + 1\n3\n", {})
    with pytest.raises(AssertionError, match="no example"):
        run("none", "Words.", {})


def test_every_public_name_is_in_the_reference() -> None:
    pages = "\n".join(page.read_text() for page in (ROOT / "docs/reference").glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    names = {*public_names(), *(f"flowload.errors.{name}" for name in flowload.errors.__all__)}
    names |= {f"flowload.abc.{name}" for name in flowload.abc.__all__ if name not in CONSTANTS}
    assert names - shown == set()
