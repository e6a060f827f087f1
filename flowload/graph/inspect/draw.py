"""Pictures of a drawing, made from its rows: text for the terminal, DOT for Graphviz, Mermaid for pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowload.printable import printable

from .describe import Outlet, Row

__all__ = ["dot_text", "mermaid_text", "picture", "to_dot", "to_mermaid"]

WIDEST = 60  # characters of a parameter's value in a picture
IN_DOT = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})
SAFE_IN_MERMAID = frozenset(" _-.,:=/'()[]{}%!?@")


def picture(rows: Sequence[Row]) -> str:
    """The drawing as lines of ASCII, from the sources down; branches are indented."""
    by_name = {row["name"]: row for row in rows}
    starts = [row for row in rows if len(row["inputs"]) != 1 or row["inputs"][0]["node"] is None]
    return "\n\n".join("\n".join(map(printable, chain(row, by_name))) for row in starts)


def chain(row: Row, by_name: Mapping[str, Row]) -> Iterator[str]:
    """A node and what follows it, until the flow ends or joins a node with several inputs."""
    for inlet in row["inputs"]:
        if len(row["inputs"]) > 1 or inlet["node"] is None:
            yield f"| {inlet['type']} from {inlet['node'] or '...'}"
    while True:
        yield heading(row)
        if len(row["outputs"]) != 1:
            yield from branches(row, by_name)
            return
        outlet = row["outputs"][0]
        yield f"| {outlet['type']}"
        follower = by_name.get(outlet["reader"] or "")
        if follower is None or len(follower["inputs"]) > 1:
            yield destination(outlet)
            return
        row = follower


def branches(row: Row, by_name: Mapping[str, Row]) -> Iterator[str]:
    """Each output of a node, and what follows it."""
    for number, outlet in enumerate(row["outputs"], 1):
        yield f"+- {outlet['port']}: {outlet['type']}"
        margin = "|  " if number < len(row["outputs"]) else "   "
        follower = by_name.get(outlet["reader"] or "")
        if follower is None or len(follower["inputs"]) > 1:
            yield margin + destination(outlet)
        else:
            yield from (margin + line for line in chain(follower, by_name))


def destination(outlet: Outlet) -> str:
    """Where a port leads that no chain goes on from."""
    if outlet["reader"] is not None:
        return f"-> {outlet['reader']}"
    return "? nobody reads this" if outlet["end"] is None else f"= {outlet['end']}"


def heading(row: Row) -> str:
    """A node and its parameters, on one line."""
    return "  ".join([title(row), *parameters(row)])


def title(row: Row) -> str:
    """The node's name, and its word where the name does not say it."""
    name, word = row["name"], row["word"]
    numbered = name.startswith(f"{word}_") and name.removeprefix(f"{word}_").isdecimal()
    return name if name == word or numbered else f"{name} ({word})"


def parameters(row: Row) -> list[str]:
    """`name=value` for each parameter, long values cut."""
    texts = ((name, repr(value)) for name, value in row["parameters"].items())
    return [f"{name}={text if len(text) <= WIDEST else text[: WIDEST - 3] + '...'}" for name, text in texts]


def edges(rows: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """Every edge as (id, id, text); nodes are n0, n1 ..., their open inputs i0, i1 ..., outputs `end_ids`."""
    ids = {row["name"]: f"n{number}" for number, row in enumerate(rows)}
    ends = end_ids(rows)
    for row in rows:
        for inlet in row["inputs"]:
            if inlet["node"] is None:
                yield f"i{ids[row['name']][1:]}", ids[row["name"]], inlet["type"]
        for outlet in row["outputs"]:
            text = outlet["type"] if len(row["outputs"]) == 1 else f"{outlet['port']}: {outlet['type']}"
            target = ends.get(outlet["end"]) if outlet["reader"] is None else ids[outlet["reader"]]
            if target is not None:
                yield ids[row["name"]], target, text


def end_ids(rows: Sequence[Row]) -> dict[str | None, str]:
    """The graph's outputs, as e0, e1 ..."""
    names = [outlet["end"] for row in rows for outlet in row["outputs"] if outlet["end"] is not None]
    return {name: f"e{number}" for number, name in enumerate(names)}


def open_ids(rows: Sequence[Row]) -> list[str]:
    """The open inputs, by the numbers of their nodes."""
    return [f"i{n}" for n, row in enumerate(rows) if any(inlet["node"] is None for inlet in row["inputs"])]


def to_dot(rows: Sequence[Row]) -> str:
    """The drawing in Graphviz's DOT."""
    lines = [
        "digraph flowload {",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
    ]
    lines += [f"  n{n} [label={dot_text([title(row), *parameters(row)])}];" for n, row in enumerate(rows)]
    lines += [f"  {i} [shape=plaintext, label={dot_text(['?'])}];" for i in open_ids(rows)]
    lines += [f"  {i} [shape=plaintext, label={dot_text([str(name)])}];" for name, i in end_ids(rows).items()]
    lines += [f"  {a} -> {b} [label={dot_text([text])}];" for a, b, text in edges(rows)]
    return "\n".join([*lines, "}", ""])


def dot_text(lines: Sequence[str]) -> str:
    """Lines as one quoted DOT string that shows them character for character."""
    # Graphviz expands \N, \G, \n ... and HTML entities in labels; a raw NUL would end its C string.
    return '"' + "\\n".join(printable(line).translate(IN_DOT) for line in lines) + '"'


def to_mermaid(rows: Sequence[Row]) -> str:
    """The drawing as a Mermaid flowchart."""
    lines = ["flowchart LR"]
    lines += [f"  n{n}[{mermaid_text([title(row), *parameters(row)])}]" for n, row in enumerate(rows)]
    lines += [f"  {i}({mermaid_text(['?'])})" for i in open_ids(rows)]
    lines += [f"  {i}([{mermaid_text([str(name)])}])" for name, i in end_ids(rows).items()]
    lines += [f"  {a} -->|{mermaid_text([text])}| {b}" for a, b, text in edges(rows)]
    return "\n".join([*lines, ""])


def mermaid_text(lines: Sequence[str]) -> str:
    """Lines as one quoted Mermaid string; whatever its parser or Markdown might read goes as an entity."""
    return '"' + "<br/>".join("".join(map(entity, printable(line))) for line in lines) + '"'


def entity(character: str) -> str:
    """The character, or its number between # and ;."""
    safe = character in SAFE_IN_MERMAID or (character.isascii() and character.isalnum())
    return character if safe else f"#{ord(character)};"
