from __future__ import annotations

import platform

import numpy as np
import pytest

from flowload.cli.versions import installed, own_version, versions


def test_what_a_run_was_made_with_is_told() -> None:
    told = versions()
    assert told["python"] == platform.python_version()
    assert told["numpy"] == np.__version__
    assert told["flowload"] == own_version()


def test_an_absent_package_has_no_version() -> None:
    assert installed("flowload-no-such-package") is None


def test_a_tree_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.cli.versions.installed", {}.get)
    assert own_version() == "not installed"
