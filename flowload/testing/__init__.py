"""The exam: what every stage promises, tried on yours without a run.

`check_stage` and `check_resume` raise AssertionError that tells what differs, and where; flowload's own
stages pass them. `drive` gives what a stage's operators make of some blocks, `run_plain` what a run of a
whole graph gives, made by its slow, obvious twin.
"""

from .drive import drive, run_plain
from .resume import check_resume
from .stage import check_stage

__all__ = ["check_resume", "check_stage", "drive", "run_plain"]
