"""Places on a local disk: what a kind of file may look at before it says whether it knows a place."""

from __future__ import annotations

from pathlib import Path

from flowload.errors import DataError, NoDataError
from flowload.files.regular import opened

__all__ = ["ends_with", "local_file", "local_folder", "no_array", "starts_with", "which_array"]


def local_path(location: str) -> Path | None:
    """The path of a place; None for a URL."""
    return None if "://" in location else Path(location)


def local_file(location: str) -> Path | None:
    """The path, if a regular file is there."""
    path = local_path(location)
    try:
        return path if path is not None and path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def local_folder(location: str) -> Path | None:
    """The path, if a folder is there."""
    path = local_path(location)
    try:
        return path if path is not None and path.is_dir() else None
    except (OSError, ValueError):
        return None


def ends_with(location: str, *endings: str) -> bool:
    """Whether a place that is no URL and no folder has such a name: a file, also one that is not there."""
    path = local_path(location)
    return path is not None and path.suffix.lower() in endings and local_folder(location) is None


def starts_with(path: Path, magic: bytes, places: tuple[int, ...] = (0,)) -> bool:
    """Whether a file has these bytes at one of these places. Never raises."""
    try:
        with opened(path) as fd, open(fd, "rb", closefd=False) as file:
            for place in places:
                file.seek(place)
                if file.read(len(magic)) == magic:
                    return True
    except (OSError, DataError):
        pass
    return False


def which_array(location: str, names: list[str]) -> str:
    """The only array of a place. Raises NoDataError that lists them, where there are several or none."""
    if len(names) == 1:
        return names[0]
    found = f"{len(names)} arrays" if names else "none"
    wanted = (
        f'select={{"x": {{"array": ...}}}} with {listed(names)}' if names else "at least one array of numbers"
    )
    raise NoDataError("which array", where=location, found=found, wanted=wanted)


def no_array(location: str, array: str, names: list[str]) -> NoDataError:
    """The error for an array that is not there."""
    return NoDataError("no such array", where=location, found=repr(array), wanted=listed(names) or "none")


def listed(names: list[str]) -> str:
    """Names, for messages."""
    return f"one of {', '.join(map(repr, names[:20]))}{' ...' if len(names) > 20 else ''}" if names else ""
