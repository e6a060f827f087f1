"""The pipelines that ship with flowload, by name: `fl.load("chess")`, `flowload run chess`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["located", "shipped_pipelines"]

INSTALLED = Path(__file__).parents[2] / "pipelines"  #: in a wheel
CLONE = Path(__file__).parents[3]  #: of a clone, which has them beside the package, to be read and changed


def shipped_pipelines() -> dict[str, Path]:
    """Their files by name."""
    beside = CLONE / "pipelines" if (CLONE / "pyproject.toml").is_file() else INSTALLED
    folder = INSTALLED if INSTALLED.is_dir() else beside
    return {path.stem: path for path in sorted(folder.glob("[a-z]*.py"))}


def located(path: Path) -> Path:
    """The file of a shipped pipeline where `path` is its bare name; any other path as it is.

    No file is hidden: a bare name has no `.py`, and so is none of a pipeline file.
    """
    return shipped_pipelines().get(str(path), path)


def hint(path: Path) -> str:
    """What to write instead of a path that is no file; empty where nothing is alike."""
    known = shipped_pipelines()
    if path.stem in known:
        return f"; the one that ships with flowload is called by its name, {path.stem}"
    return f"; those that ship with flowload are {', '.join(known)}" if not path.suffix else ""
