"""How a run shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["Pictured"]


class Pictured:
    """Shown by whatever draws pictures, which the package binds."""

    drawn: ClassVar[Callable[[Any], dict[str, str]] | None] = None  #: a run by kind of content
    shown: ClassVar[Callable[[Any], None] | None] = None  #: shows a run, and goes on showing it

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:  # IPython says what it wants by name
        """The run at this moment, as SVG and in words."""
        draw = Pictured.drawn
        return {"text/plain": repr(self)} if draw is None else draw(self)

    def _ipython_display_(self) -> None:
        """The run, as long as it goes on; NotImplementedError, as IPython wants it, outside notebooks."""
        if Pictured.shown is None:
            raise NotImplementedError
        Pictured.shown(self)
