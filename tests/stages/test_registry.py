"""Formats by name."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from flowload.errors import GraphError, MissingExtra
from flowload.stages.registry import find_format, known_formats, own_formats


def test_a_known_name() -> None:
    assert find_format("lc0").name == "lc0"
    assert "lc0" in known_formats()


def test_the_formats_of_declarations_in_their_order() -> None:
    one, other = SimpleNamespace(layouts={}), SimpleNamespace(layouts={})
    stages = [SimpleNamespace(format=each) for each in (one, "lc0", None, other)]
    assert own_formats([SimpleNamespace(), *stages]) == [one, other]


@pytest.mark.parametrize("name", ["lc1", "tar", "no.such", "", "../x"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(GraphError, match=r"no format is named .*'lc0'.* or pass a ChunkFormat object"):
        find_format(name)


def test_a_format_without_its_extra_is_known_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = importlib.import_module("flowload.formats").__path__

    def lacking(name: str) -> object:
        if name.endswith(".lc0"):
            raise MissingExtra("pip install flowload[chess]")
        return SimpleNamespace(__path__=folders)

    monkeypatch.setattr(importlib, "import_module", lacking)
    with pytest.raises(MissingExtra, match="chess"):
        find_format("lc0")
    assert known_formats() == ["lc0"]


def test_a_module_that_cannot_be_imported_is_not_an_unknown_format(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise ModuleNotFoundError("No module named 'h5py'", name="h5py")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="h5py"):
        find_format("lc0")
