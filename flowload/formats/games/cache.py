"""Games as they come: packed when a run begins, where they have not been or have changed since."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from flowload.abc.needs import Need
from flowload.abc.records import Fields
from flowload.errors import NoDataError
from flowload.files.objects.place import is_place
from flowload.files.objects.storable import Storable
from flowload.observe.preparation import Preparation

from .files import find_games
from .layouts import Packing, check_packing_layout
from .pack import PREFIX, pack_games
from .packed import ENDINGS, PackedGames, find_packing, strip
from .table import FIELDS, GamesTable, table_needs

__all__ = ["Games"]

log = logging.getLogger("flowload")

FOLDER = ".flowload"  #: in the folder of the first file


@dataclass(frozen=True)
class Games(Storable):
    """Files of games, packed by the first run that opens them; other runs and processes wait for it.

    Packed again where a file has another name, size or time. What is packed already (a folder, a prefix, or a
    file that `PackedGames` takes) is opened as it is.

    Args:
        data: files of games, folders of them (`games*`), or patterns; or what `PackedGames` takes.
        packed: the folder for packed files, each layout in its own; None: `.flowload` beside the data, or in
            the user's cache where nothing can be written there.
        layout: how games are packed: "bits", "uint8" or "float32"; see `pack_games`.

    Examples:
        >>> from flowload.formats.games import Games
        >>> records = Games(sample_path("games"), packed="packed")
        >>> with (fl.rows(records) >> fl.shuffle() >> fl.batch(1024)).iterate() as batches:
        ...     batch = next(batches)
        >>> batch["inputs"].shape, batch["outputs"].dtype
        ((1024, 193), dtype('int64'))
    """

    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    packed: str | os.PathLike[str] | None = None
    layout: str = "bits"

    name: ClassVar[str] = "games"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = GamesTable.layouts

    def __post_init__(self) -> None:
        check_packing_layout(self.layout)

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """`inputs [B, 193] float32`, `outputs [B] int64`."""
        return FIELDS

    @property
    def prepared(self) -> bool:
        """Whether opening takes no packing first."""
        if self.stored:
            return False
        if isinstance(self.data, str | os.PathLike) and is_packed(self.data):
            return True
        sources = find_games(self.data)
        return Packing(self.folder(sources), PREFIX).is_fresh(self.layout, sources)

    def folder(self, sources: Sequence[str]) -> Path:
        """Where these are packed."""
        root = cache_folder(sources) if self.packed is None else Path(self.packed)
        return root / self.layout

    def needs(self, layout: str | None) -> Iterable[Need]:
        """The kernels of what is packed as bits."""
        return table_needs() if layout is not None and self.layout == "bits" else ()

    def open(self) -> GamesTable:
        """Pack if need be, and map. Raises what `pack_games` and `PackedGames.open` raise."""
        if not self.stored:
            return self.open_files()
        with self.here() as games:  # once they are packed, nobody reads the games themselves
            if isinstance(games.data, str | os.PathLike) and is_packed(games.data):
                return self.opened_here(Games.open_files)
            return games.open_files()

    def beside(self, name: str) -> str | None:
        """Packed arrays go together; a file of games is one by itself."""
        prefix = strip(name, (f"{ending}.npy" for ending in ENDINGS))
        return None if prefix == name else prefix

    def open_files(self) -> GamesTable:
        """The same where all of it lies on this machine."""
        if isinstance(self.data, str | os.PathLike) and is_packed(self.data):
            return PackedGames(self.data).open()
        sources = find_games(self.data)
        folder = self.folder(sources)
        told = Preparation(f"games: packing to {folder}", "positions")
        done = pack_games(
            sources, folder, layout=self.layout, report=lambda now: told.reached(now.rows, now.of_rows)
        )
        if done.kept < done.parts:
            log.info("packed %d positions of %d games in %s", done.rows, done.games, folder)
        return PackedGames(folder).open()


def is_packed(data: str | os.PathLike[str]) -> bool:
    """Whether these are packed positions, rather than games."""
    try:
        find_games(data)
    except NoDataError:
        return there_is_packed(data)
    return Path(data).suffix == ".npy"


def there_is_packed(data: str | os.PathLike[str]) -> bool:
    """Whether there are packed positions. Raises DataError where it is not clear which."""
    try:
        find_packing(data)
    except NoDataError:
        return False
    return True


def cache_folder(sources: Sequence[str]) -> Path:
    """Where packed files of these can be written: beside them, or in the user's own cache."""
    if is_place(sources[0]):  # an object of a store, in a folder of links
        return user_cache(sources)
    beside = Path(sources[0]).parent / FOLDER
    try:
        beside.mkdir(exist_ok=True)
    except OSError:  # a folder that is only read
        return user_cache(sources)
    return beside if os.access(beside, os.W_OK) else user_cache(sources)


def user_cache(sources: Sequence[str]) -> Path:
    """A folder of its own for these files."""
    places = "\n".join(map(os.path.realpath, sources))
    word = hashlib.blake2b(places.encode(errors="surrogateescape"), digest_size=8).hexdigest()
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "flowload" / "games" / word
