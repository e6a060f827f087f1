"""The command line: `flowload run FILE`, `flowload show FILE`."""

from __future__ import annotations

from .program import main

__all__ = ["main"]
