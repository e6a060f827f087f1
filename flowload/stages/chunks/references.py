"""Whether records that wait can be named by reference, and read again after a resume."""

from __future__ import annotations

from flowload.abc.operators import Setting

__all__ = ["why_not_by_reference"]


def why_not_by_reference(setting: Setting) -> str | None:
    """Why records that come to a stage may not be those that their origins name; None: they are.

    Between the stage that reads them and this one may lie only stages that let records through as they are.
    """
    if not setting.upstream:  # a stage by itself, in an exam
        return None
    words = [stage.word for stage in setting.upstream]
    if "unpack" not in words:
        return "nothing before it reads records of files"
    last = len(words) - 1 - words[::-1].index("read") if "read" in words else len(words)
    for stage in setting.upstream[:last]:
        if not stage.intact:
            return f"{stage.word!r} before it may give other records than those of the files"
    return None
