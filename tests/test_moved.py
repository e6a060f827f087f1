"""Old names of modules still work, and say so."""

import importlib
import sys

import pytest

from flowload.moved import MOVED


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_name_is_the_new_module_with_a_warning(old: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is {MOVED[old]} now") as told:
        module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])
    assert len(told) == 1


def test_the_warning_points_at_the_line_that_imports() -> None:
    sys.modules.pop("flowload.formats.rows_npy", None)
    names: dict[str, object] = {}
    with pytest.warns(DeprecationWarning, match="rows_npy") as told:
        exec(compile("from flowload.formats.rows_npy import NpyRows", __file__, "exec"), names)
    assert told[0].filename == __file__
    assert names["NpyRows"] is importlib.import_module("flowload.formats.rows").NpyRows


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="rows_xyz"):
        importlib.import_module("flowload.formats.rows_xyz")


def test_an_exam_has_its_old_name_for_a_while() -> None:
    with pytest.warns(DeprecationWarning, match="check_chunk_format is check_format now"):
        from flowload.testing import check_chunk_format  # noqa: PLC0415 - what is tested
    assert check_chunk_format is importlib.import_module("flowload.testing").check_format
    with pytest.raises(ImportError, match="check_other"):
        from flowload.testing import check_other  # noqa: F401, PLC0415
