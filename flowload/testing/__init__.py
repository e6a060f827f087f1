"""The exam: what every stage promises, tried on yours without a run.

`check_stage`, `check_resume`, `check_records` and `check_format` raise AssertionError that tells what
differs, and where; our own stages and formats pass them. `drive` gives what a stage's operators make of
some blocks, `run_plain` what a run of a whole graph gives, made by its slow, obvious twin.
"""

import warnings

from .chunks import check_format
from .drive import drive, run_plain
from .records import check_records
from .resume import check_resume
from .stage import check_stage

__all__ = ["check_format", "check_records", "check_resume", "check_stage", "drive", "run_plain"]


def __getattr__(name: str) -> object:
    if name == "check_chunk_format":
        told = "flowload.testing.check_chunk_format is check_format now; the old name goes with 0.3"
        warnings.warn(told, DeprecationWarning, stacklevel=2)
        return check_format
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
