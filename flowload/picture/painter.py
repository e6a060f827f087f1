"""Writes a picture in the format that a file's name asks for, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from flowload.errors import GraphError, MissingExtra
from flowload.files.drafts import naming
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import Rails
from flowload.picture.svg.drawing import svg
from flowload.picture.svg.wanted import Wanted

from .dot import to_dot
from .mermaid import to_mermaid

__all__ = ["FORMATS", "check_path", "paint", "png"]

ZOOM = 2.0  #: pixels of a point
WIDTH, SHORT = 1060.0, 4  #: of a picture; moments below which there is no history to show


def as_svg(rails: Rails, moments: Sequence[Moment], *, themes: bool = True) -> str:
    """The picture with its verdict and its books, of the last moment."""
    span = max(15.0, min(600.0, moments[-1]["at"]))
    wanted = Wanted(WIDTH, span=span, head=True, foot=moments[-1]["foot"], history=len(moments) >= SHORT)
    return svg(rails, moments, wanted, themes=themes)


def png(rails: Rails, moments: Sequence[Moment]) -> bytes:
    """The same as pixels, on light paper. Raises MissingExtra."""
    try:
        import resvg_py  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("PNG is drawn by resvg: pip install 'flowload[graphviz]'") from error
    return bytes(resvg_py.svg_to_bytes(svg_string=as_svg(rails, moments, themes=False), zoom=ZOOM))


def text_of(made: Callable[[Rails, Moment], str]) -> Callable[[Rails, Sequence[Moment]], bytes]:
    """What writes the last moment as text."""
    return lambda rails, moments: made(rails, moments[-1]).encode()


FORMATS: dict[str, Callable[[Rails, Sequence[Moment]], bytes]] = {
    ".svg": lambda rails, moments: as_svg(rails, moments).encode(),
    ".png": png,
    ".dot": text_of(to_dot),
    ".gv": text_of(to_dot),
    ".mmd": text_of(to_mermaid),
    ".mermaid": text_of(to_mermaid),
}


def check_path(path: Path) -> Path:
    """The path, if a picture can be written there; GraphError, before anything runs, if not."""
    if path.suffix.lower() not in FORMATS:
        raise GraphError(f"{path}: wanted a name that ends in {', '.join(FORMATS)}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise GraphError(f"{path}: " + ("is a folder" if path.is_dir() else "there is no such folder"))
    return path


def paint(rails: Rails, moments: Sequence[Moment], path: Path) -> None:
    """Draw beside the path, then take its name. Raises MissingExtra and OSError."""
    made = FORMATS[path.suffix.lower()](rails, moments)
    draft = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        with naming(path), draft.open("xb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
