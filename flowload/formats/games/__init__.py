"""Board games: files of moves, packed once to positions that are mapped to memory.

>>> from flowload.formats.games import Games, PackedGames
"""

from .boards import Boards
from .cache import Games
from .packed import PackedGames

__all__ = ["Boards", "Games", "PackedGames"]
