"""What a check found: a line for whoever looks on, and a row of the JSON."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Finding", "write_json"]

WORDS = {True: "PASS", False: "FAIL", None: "INFO"}


@dataclass(frozen=True)
class Finding:
    """One statement about the card. `ok`: None where there is nothing to pass, such as a speed."""

    name: str
    ok: bool | None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """PASS, FAIL or INFO."""
        return WORDS[self.ok]

    def line(self) -> str:
        """For the terminal."""
        facts = ", ".join(f"{key} {value}" for key, value in self.facts.items())
        return f"{self.word}  {self.name}" + f": {facts}" * bool(facts)

    def row(self) -> dict[str, Any]:
        """For the JSON."""
        return {"result": self.word, "name": self.name, "facts": dict(self.facts)}


def write_json(out: Path, about: Mapping[str, Any], findings: Sequence[tuple[str, Finding]]) -> None:
    """Write all findings so far, each with the name of its check: the whole file or none of it."""
    rows = [{"check": check, **finding.row()} for check, finding in findings]
    text = json.dumps({**about, "findings": rows}, indent=1, default=str) + "\n"
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(out)
    finally:
        with suppress(FileNotFoundError):  # it has its name
            draft.unlink()
