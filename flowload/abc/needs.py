"""What takes long the first time on a machine, such as compiling: named beforehand, to be done side by side.

A run compiles what its stages name before it begins (see `flowload.runtime.cold_start`). What
nobody names is compiled where it is first called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = ["Compiled", "Need"]

#: A kernel, and arguments like those that it will be called with: their types count, not what they hold. Or
#: something else that takes long the first time, such as an import: called while kernels are compiled.
Need: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]


@runtime_checkable
class Compiled(Protocol):
    """Records, or a format, whose methods call kernels of `flowload.kernels`."""

    def needs(self, layout: str | None) -> Iterable[Need]:
        """Which kernels read them, and write batches of this layout; None: no batches are made."""
