"""Writes a scene in the format that a file's name asks for, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from flowload.files.drafts import naming

from .dot import draw_png, to_dot
from .layout import arrange
from .mermaid import to_mermaid
from .scene import Scene
from .svg import to_svg

__all__ = ["FORMATS", "check_path", "paint"]


def as_text(made: Callable[[Scene], str]) -> Callable[[Scene, Path], None]:
    """What writes text to a file."""

    def write(scene: Scene, path: Path) -> None:
        with path.open("x", encoding="utf-8") as file:
            file.write(made(scene))

    return write


FORMATS: dict[str, Callable[[Scene, Path], None]] = {
    ".svg": as_text(lambda scene: to_svg(scene, arrange(scene))),
    ".png": draw_png,
    ".dot": as_text(to_dot),
    ".gv": as_text(to_dot),
    ".mmd": as_text(to_mermaid),
    ".mermaid": as_text(to_mermaid),
}


def check_path(path: Path) -> Path:
    """The path, if a picture can be written there; click.BadParameter, before anything runs, if not."""
    if path.suffix.lower() not in FORMATS:
        raise click.BadParameter(f"{path}: wanted a name that ends in {', '.join(FORMATS)}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise click.BadParameter(
            f"{path}: " + ("is a folder" if path.is_dir() else "there is no such folder")
        )
    return path


def sync_file(path: Path) -> None:
    """Wait until the disk has a file: where writing was put off, this is where a full one shows."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def paint(scene: Scene, path: Path) -> None:
    """Draw beside the path, then take its name. Raises MissingExtra and OSError."""
    draft = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        with naming(path):
            FORMATS[path.suffix.lower()](scene, draft)
            sync_file(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
