"""Errors that are kept for somebody else, and errors that say where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Kept", "Noted"]


class Kept:
    """In `with Kept(told):` an error is handed to `told`, not raised.

    Args:
        told: gets the error.
        kind: what is kept; anything else, such as a cancellation, is raised.
    """

    __slots__ = ("_kind", "_told")

    def __init__(self, told: Callable[[Any], object], kind: type[BaseException] = Exception) -> None:
        self._told = told
        self._kind = kind

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, self._kind):
            return False
        self._told(error)
        return True


@dataclass(slots=True)
class Noted:
    """In `with Noted(node, where):` an error says which stage it came from, and the line that declared it."""

    node: str
    where: str

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception | SystemExit):
            text = f"in stage {self.node!r}, declared at {self.where}"
            if text not in getattr(error, "__notes__", ()):  # once
                error.add_note(text)
