"""Pictures show every node and edge, and no text can break out of its quotes."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.graph import outputs
from flowload.graph.inspect.draw import dot_text, mermaid_text
from tests.graph.drawings import Program, head, mapped, merge, source, split
from tests.graph.strategies import programs

BLANKS = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
KEPT = f"{BLANKS}\u200c\u200d"
NASTY = st.text(alphabet='"\\<>|#;&`{}[]() \n\r\t\0aN%é\u2028\U0001f642') | st.text()
DOT_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
MERMAID_STRING = re.compile(r'"[^"\n]*"')


def shown(text: str) -> str:
    """What a picture shows of a text: control characters as Python writes them."""
    return "".join(c if c.isprintable() or c in KEPT else repr(c)[1:-1] for c in text)


def read_dot(quoted: str) -> list[str]:
    """What Graphviz shows for a quoted label: its scanner first, then its escape strings and entities."""
    scanned = quoted[1:-1].replace('\\"', '"')
    lines, line, position = [], "", 0
    while position < len(scanned):
        character = scanned[position]
        if character == "\\":
            position += 1
            escaped = scanned[position]
            if escaped == "n":
                lines.append(line)
                line = ""
            else:
                assert escaped == "\\", f"Graphviz would expand \\{escaped}"
                line += escaped
        else:
            line += character
        position += 1
    return [html.unescape(text) for text in [*lines, line]]


def read_mermaid(quoted: str) -> list[str]:
    """What Mermaid shows for a quoted label: its #code; entities, then HTML."""
    lines = quoted[1:-1].split("<br/>")
    assert not any(set(line) & set("<>`\\") for line in lines)
    return [html.unescape(re.sub(r"#(\d+);", r"&#\1;", line)) for line in lines]


@pytest.mark.slow
@given(st.lists(NASTY, min_size=1, max_size=3))
def test_dot_shows_every_character(lines: list[str]) -> None:
    quoted = dot_text(lines)
    assert DOT_STRING.fullmatch(quoted)
    assert read_dot(quoted) == [shown(line) for line in lines]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_shows_every_character() -> None:
    labels = [
        "&amp;",
        "&#34;",
        "<b>x</b>",
        "\\N",
        "\\G",
        "x\\",
        "\\\\",
        '"',
        '\\"',
        "<",
        "end",
        "a|{b}",
        "%é\U0001f642",
    ]
    nodes = "\n".join(f"n{n} [label={dot_text([text])}];" for n, text in enumerate(labels))
    run = subprocess.run(
        ["dot", "-Tsvg"], input=f"digraph {{{nodes}}}".encode(), capture_output=True, check=True
    )
    texts = [element.text for element in ET.fromstring(run.stdout).iter("{http://www.w3.org/2000/svg}text")]
    assert texts == labels


@given(st.lists(NASTY, min_size=1, max_size=3))
def test_mermaid_shows_every_character(lines: list[str]) -> None:
    quoted = mermaid_text(lines)
    assert MERMAID_STRING.fullmatch(quoted)
    assert read_mermaid(quoted) == [shown(line) for line in lines]


@given(NASTY)
def test_nasty_parameters_leave_the_grammar_alone(text: str) -> None:
    graph = source() >> mapped(function=text)
    plain = source() >> mapped(function="x")
    for strings, drawn, wanted in (
        (DOT_STRING, graph.to_dot(), plain.to_dot()),
        (MERMAID_STRING, graph.to_mermaid(), plain.to_mermaid()),
    ):
        assert strings.sub("S", drawn) == strings.sub("S", wanted)


@given(NASTY.filter(lambda text: text.isprintable() and text.strip() == text and text and "." not in text))
def test_nasty_names_leave_the_grammar_alone(name: str) -> None:
    graph = outputs(**{name: head().named(name)}) if name != "total" else head()
    assert DOT_STRING.sub("S", graph.to_dot()) == DOT_STRING.sub("S", head().to_dot())
    assert MERMAID_STRING.sub("S", graph.to_mermaid()) == MERMAID_STRING.sub("S", head().to_mermaid())


@given(programs)
def test_every_edge_is_drawn_in_every_picture(program: Program) -> None:
    graph, edges = program.draw(source())
    ends = len(graph.plan.ends)
    assert graph.to_dot().count(" -> ") == len(edges) + ends
    assert graph.to_mermaid().count(" -->|") == len(edges) + ends


@given(programs)
def test_the_text_picture_has_every_node_once(program: Program) -> None:
    graph, _ = program.draw(source())
    lines = [line.lstrip("| ") for line in str(graph).splitlines()]
    for placed in graph.nodes():
        assert sum(line.split("  ")[0] == placed.name for line in lines) == 1
    for end in graph.plan.ends:
        assert f"= {end.name}" in lines


def test_a_line_of_nodes_reads_from_the_top() -> None:
    assert str(source(1) >> mapped().named("x")) == "source  mark=1\n| Apples\nx (map)\n| Apples\n= out"


def test_branches_are_indented_and_merges_referred_to() -> None:
    parts = source() >> split("a", "b", "c")
    graph = [parts.drop("c")["a"] >> mapped(), parts["b"]] >> merge()
    assert repr(graph).splitlines() == [
        "source",
        "| Apples",
        "split  ports=['a', 'b', 'c']",
        "+- a: Apples",
        "|  map",
        "|  | Apples",
        "|  -> merge",
        "+- b: Apples",
        "|  -> merge",
        "+- c: Apples",
        "   drop",
        "",
        "| Apples from map",
        "| Apples from split",
        "merge",
        "| Apples",
        "= out",
    ]


def test_what_is_missing_shows() -> None:
    assert str(mapped()) == "| Apples from ...\nmap\n| anything\n= out"
    assert "? nobody reads this" in str((source() >> split("a", "b"))["a"])
    assert 'i0 [shape=plaintext, label="?"];' in mapped().to_dot()
    assert "i0 -> n0" in mapped().to_dot()
    assert '  i0("?")\n' in mapped().to_mermaid()


def test_long_values_are_cut() -> None:
    line = str(source() >> mapped(function="x" * 500)).splitlines()[2]
    assert len(line) < 80
    assert line.endswith("...")
