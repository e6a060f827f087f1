"""Which files of a folder are data: neither hidden ones nor those that are still written."""

from __future__ import annotations

__all__ = ["visible"]

#: Endings of names that a writer gives to a file before it is complete.
PARTIAL = (".crdownload", ".download", ".filepart", ".part", ".partial", ".swp", ".swx", ".temp", ".tmp", "~")


def visible(name: str) -> bool:
    """Whether a file of this name may be told: neither hidden nor named as incomplete."""
    return not name.startswith(".") and not name.lower().endswith(PARTIAL)
