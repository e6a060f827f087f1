"""The command line: `flowload run FILE` and others: commands are in `commands`, what they show in `view`."""

from __future__ import annotations

from .program import main

__all__ = ["main"]
