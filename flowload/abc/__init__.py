"""What users implement: stages, operators, records, chunk formats; with defaults for what is not essential.

A *fold* is `push` and `flush`, a *map* `apply`, a *source* `epoch`; a *table* is a length and a `gather`, and
a *record format* an `index` and an `inflate`. What else each can do is a power of its own: `powers` has those
of operators, `growing` of those whose data grow, and `record_powers` those of tables. The full forms, which
our own formats have, are in `records`, `windows` and `chunk_formats`. Everybody may import this package; it
imports `errors` and `files` alone.

>>> from flowload.abc import Fold, RecordFormat, Records, Source, Stage, Table
"""

from .chunk_formats import CHUNK, ORIGIN, ChunkFormat, Layout
from .operators import Block, Call, Fold, Map, Mark, Operator, Route, Setting, Source, State, Turn
from .powers import Checking, Closing, Gauged, Holding, Idling, Marked, Resumable, Stateful, Stopping
from .record_powers import Budgeted, Bulk, Cutting, Grouped, Guarded, Screened, Sized, Uniform, Weighted
from .records import Fields, LayoutRecords, LayoutTable, Numbers, Picks
from .simple import RecordFormat, Records, Table
from .stage import Share, Stage

__all__ = [
    "CHUNK",
    "ORIGIN",
    "Block",
    "Budgeted",
    "Bulk",
    "Call",
    "Checking",
    "ChunkFormat",
    "Closing",
    "Cutting",
    "Fields",
    "Fold",
    "Gauged",
    "Grouped",
    "Guarded",
    "Holding",
    "Idling",
    "Layout",
    "LayoutRecords",
    "LayoutTable",
    "Map",
    "Mark",
    "Marked",
    "Numbers",
    "Operator",
    "Picks",
    "RecordFormat",
    "Records",
    "Resumable",
    "Route",
    "Screened",
    "Setting",
    "Share",
    "Sized",
    "Source",
    "Stage",
    "State",
    "Stateful",
    "Stopping",
    "Table",
    "Turn",
    "Uniform",
    "Weighted",
]
