"""`flowload sample NAME DIR`: the data that ship with flowload, in a folder of one's own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from flowload.cli.terminable import terminable
from flowload.cli.view.lines import say
from flowload.files.drafts import sync_folder, sync_tree
from flowload.observe.figures import size
from flowload.sample import sample_names, sample_path

__all__ = ["sample"]


@click.command(epilog=f"NAME is one of {', '.join(sample_names())}; without one, all are listed.")
@click.argument("name", required=False)
@click.argument("folder", metavar="DIR", required=False, type=click.Path(path_type=Path))
def sample(name: str | None, folder: Path | None) -> int:
    """Write the sample NAME to DIR, a folder that is new or empty."""
    if name is None:
        for each in sample_names():
            say(told(each, sample_path(each)))
        return 0
    try:
        source = sample_path(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if folder is None:
        raise click.UsageError(f"where to? flowload sample {name} DIR")
    try:
        with terminable():
            write(source, folder)
    except OSError as error:
        raise click.UsageError(f"{folder}: {error.strerror or error}") from error
    say(f"{told(name, folder)} in {folder}; try: flowload run {name} --data {folder}")
    return 0


def write(source: Path, folder: Path) -> None:
    """Copy a folder, all of it or nothing. Raises OSError; UsageError where something is there already."""
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.is_symlink() or (folder.exists() and not empty):
        raise click.UsageError(f"{folder} is there already; name a folder that is new or empty")
    folder = folder.absolute()
    if folder.resolve() == Path.cwd():
        raise click.UsageError("this folder cannot be replaced while you are in it; name a new one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Under another name beside it, then renamed: who looks finds nothing, or everything.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        copy = Path(beside) / folder.name
        shutil.copytree(
            source, copy, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile
        )
        sync_tree(copy)
        copy.rename(folder)
        sync_folder(folder.parent)


def told(name: str, folder: Path) -> str:
    """A sample in words."""
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{name}: {len(files)} file{'s' * (len(files) != 1)}, {size(sum(files))}"
