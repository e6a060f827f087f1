"""What a run was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["own_version", "versions"]

TELLING = ("numpy", "numba", "torch", "anyio", "zlib-ng")


def own_version() -> str:
    """Of the installed package; a source tree that was not installed has none."""
    return installed("flowload") or "not installed"


def versions() -> dict[str, str | None]:
    """Of everything that numbers may depend on; None: absent. Imports nothing."""
    return {
        "flowload": own_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: installed(name) for name in TELLING},
    }


def installed(name: str) -> str | None:
    """Version of a package, from its metadata."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
