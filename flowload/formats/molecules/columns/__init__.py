"""Columns of packed molecules beside the standard arrays: declared in the folder's manifest, read, checked.

Called by the writer, the table and the transforms of `flowload.formats.molecules`; begin with `column`.
"""

from .column import Column

__all__ = ["Column"]
