"""What is public is what users may rely on: named, documented, and cheap to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import flowload
import flowload.errors


def test_every_public_name_is_listed_and_in_order() -> None:
    public = {
        name
        for name, value in vars(flowload).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    assert public == set(flowload.__all__)
    assert flowload.__all__ == sorted(flowload.__all__)


@pytest.mark.parametrize("name", flowload.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(flowload, name)
    if inspect.isclass(value) or callable(value):
        assert inspect.getdoc(value)
        assert value.__doc__, f"{name} has only the docstring of its parent"


def test_every_error_is_one_of_ours() -> None:
    for name in flowload.errors.__all__:
        assert issubclass(getattr(flowload.errors, name), flowload.FlowloadError)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["flowload", "flowload.cli"])
def test_importing_brings_in_neither_torch_nor_what_only_some_runs_need(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & {"torch", "trio", "pytest", "ray"}


@pytest.mark.slow
def test_importing_starts_no_thread_and_touches_no_signal() -> None:
    code = (
        "import signal, threading; before = [signal.getsignal(n) for n in signal.valid_signals()];"
        "import flowload.cli; assert threading.active_count() == 1;"
        "assert before == [signal.getsignal(n) for n in signal.valid_signals()]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
