"""Molecules: a packed folder, mapped to memory, for `fl.rows`; `convert/` makes one of other files.

>>> from flowload.formats.molecules import PackedMolecules, rotated
"""

from .columns import Column
from .packed import PackedMolecules
from .sets import MoleculeSets
from .transforms import InUnits, Rotated, centred, rotated

__all__ = ["Column", "InUnits", "MoleculeSets", "PackedMolecules", "Rotated", "centred", "rotated"]
