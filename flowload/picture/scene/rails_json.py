"""Rails as JSON and back: for pages, files, and other ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .rails import Link, Rails, Row

__all__ = ["rails_from", "rails_json"]


def rails_json(rails: Rails | None) -> dict[str, Any] | None:
    """A graph for a page: rows and links with names."""
    if rails is None:
        return None
    return {
        **asdict(rails),
        "rows": [row._asdict() for row in rails.rows],
        "links": [link._asdict() for link in rails.links],
    }


def rails_from(made: Mapping[str, Any] | None) -> Rails | None:
    """Rails from their JSON."""
    if made is None:
        return None
    rows = tuple(
        Row(**{**row, "parameters": tuple((str(a), str(b)) for a, b in row["parameters"])})
        for row in made["rows"]
    )
    links = tuple(Link(**link) for link in made["links"])
    return Rails(str(made["title"]), rows, links, int(made["lanes"]), int(made["memory"]))
