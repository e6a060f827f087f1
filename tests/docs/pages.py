"""Pages of Markdown as the blocks of code in them.

A block of Python is executed in the page's one namespace; one with `title="train.py"` is a file beside the
others of the page instead. A block of shell is commands. A block of text with `title="output"` is what the
block before it prints, where `...` stands for anything; with another title it is a file. Notes in front of a
block: `<!-- needs: lightning -->`: without that package Python is compiled only, and output not compared;
`<!-- raises: DataError -->`: it ends in that error; `<!-- heavy: why -->`: commands that are tried apart, as
a hammer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = ["ROOT", "Block", "all_pages", "blocks_of"]

ROOT = Path(__file__).parents[2]

FENCE = re.compile(
    r"(?P<notes>(?:^<!-- [a-z]+: [^\n]* -->\n)*)"
    r"^```(?P<language>[a-z]+)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NOTE = re.compile(r"^<!-- (?P<name>[a-z]+): (?P<value>[^\n]*) -->$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page.

    Args:
        page: the file.
        line: of its first line of code, from 1.
        language: what stands behind the fence.
        title: the name that is shown above it, or "".
        notes: what is noted in front of it, such as `{"needs": "lightning"}`.
        code: the lines, each with its end.
    """

    page: Path
    line: int
    language: str
    title: str
    notes: dict[str, str]
    code: str

    @property
    def can_run(self) -> bool:
        """Whether the packages that it needs are there."""
        return all(find_spec(name) for name in self.notes.get("needs", "").split())

    @property
    def source(self) -> str:
        """The code below so many empty lines that a traceback points into the page."""
        return "\n" * (self.line - 1) + self.code

    def commands(self) -> list[str]:
        """The commands of a block of shell, without comments."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(
            page=page,
            line=text[: match.start("code")].count("\n") + 1,
            language=match["language"],
            title=match["title"] or "",
            notes={note["name"]: note["value"] for note in NOTE.finditer(match["notes"])},
            code=match["code"],
        )
        for match in FENCE.finditer(text)
    ]
    fences = len(re.findall(r"^\s*```", text, re.MULTILINE))
    if fences != 2 * len(found):
        raise ValueError(f"{page}: {fences} fences, {len(found)} blocks: is one indented, or of no language?")
    return found


def all_pages() -> list[Path]:
    """README, CONTRIBUTING and every page of the site, in order."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
