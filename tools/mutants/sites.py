"""Where a small bug can be planted in a file, and what it would read then."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Site", "planted", "sites"]

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "append": "appendleft", "popleft": "pop"}
UNWRAPPED = {
    "reversed",
    "sorted",
    "list",
    "tuple",
    "set",
}  #: calls that may be left out around their argument
TOLD = {"info", "warning", "error", "debug", "add_note"}  #: calls that tell a person something


@dataclass(frozen=True)
class Site:
    """One bug: lines and columns (in bytes, as `ast` counts them) of what is replaced, and by what."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    what: str  #: in words

    @property
    def where(self) -> tuple[int, int]:
        """For sorting."""
        return self.line, self.column


def sites(source: str) -> list[Site]:
    """Every bug that can be planted in a file, in the order of its lines."""
    tree = ast.parse(source)
    found = [site for node in worth_changing(tree) for site in bugs_of(node)]
    return sorted(found, key=lambda site: (*site.where, site.text))


def planted(source: str, site: Site) -> str:
    """The file with a bug in it."""
    lines = source.encode().splitlines(keepends=True)
    before = b"".join(lines[: site.line - 1]) + lines[site.line - 1][: site.column]
    behind = lines[site.end_line - 1][site.end_column :] + b"".join(lines[site.end_line :])
    return (before + site.text.encode() + behind).decode()


def worth_changing(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one that are code which does something; it may be one itself."""
    if isinstance(node, ast.Assert | ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr):
        return
    if is_telling(node) or is_figure(node):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from worth_changing(child)


def is_telling(node: ast.AST) -> bool:
    """A docstring, or a call that tells a person something."""
    if not isinstance(node, ast.Expr):
        return False
    call = node.value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        return call.func.attr in TOLD
    return isinstance(call, ast.Constant)


def is_figure(node: ast.AST) -> bool:
    """`__all__ = [...]`, or a figure that somebody has chosen: `WORDS, SECONDS = 8, 0.005`."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.col_offset:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return all(name.isupper() or name.startswith("__") for name in names)


def bugs_of(node: ast.AST) -> Iterator[Site]:
    """The bugs of one node."""
    if isinstance(node, ast.Compare):
        yield from comparisons(node)
    elif isinstance(node, ast.BoolOp):
        yield site_of(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not is_text(node):
        yield site_of(node, ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield site_of(node, node.operand)
    elif isinstance(node, ast.Constant):
        yield from constants(node)
    elif isinstance(node, ast.Call):
        yield from calls(node)
    elif isinstance(node, ast.stmt):
        yield from statements(node)


def comparisons(node: ast.Compare) -> Iterator[Site]:
    """Another comparison in each place."""
    for place, operator in enumerate(node.ops):
        if type(operator) in COMPARISONS:
            other = [*node.ops]
            other[place] = COMPARISONS[type(operator)]()
            yield site_of(node, ast.Compare(node.left, other, node.comparators))


def constants(node: ast.Constant) -> Iterator[Site]:
    """The opposite, or one more."""
    if isinstance(node.value, bool):
        yield site_of(node, ast.Constant(not node.value))
    elif isinstance(node.value, int):
        yield site_of(node, ast.Constant(node.value + 1))


def calls(node: ast.Call) -> Iterator[Site]:
    """Another function of the same kind, or only its argument."""
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in NAMES:
        function: ast.expr = ast.Name(NAMES[name])
        if isinstance(node.func, ast.Attribute):
            function = ast.Attribute(node.func.value, NAMES[name])
        yield site_of(node, ast.Call(function, node.args, node.keywords))
    if isinstance(node.func, ast.Name) and name in UNWRAPPED and len(node.args) == 1 and not node.keywords:
        yield site_of(node, node.args[0])


def statements(node: ast.stmt) -> Iterator[Site]:
    """A condition that always holds, or never; a statement that is left out."""
    if isinstance(node, ast.If | ast.While):
        for value in (True, False) if isinstance(node, ast.If) else (False,):
            yield site_of(node.test, ast.Constant(value))
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        yield site_of(node, ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value))
    if isinstance(node, ast.Expr | ast.AugAssign | ast.Continue | ast.Break) or is_lasting(node):
        yield site_of(node, ast.Pass())


def is_lasting(node: ast.stmt) -> bool:
    """Something is assigned that outlives the function: without it other code still runs, but wrongly."""
    return isinstance(node, ast.Assign) and all(
        isinstance(target, ast.Attribute | ast.Subscript)
        or (isinstance(target, ast.Tuple) and all(isinstance(e, ast.Attribute) for e in target.elts))
        for target in node.targets
    )


def is_text(node: ast.BinOp) -> bool:
    """Strings are joined, or types."""
    return any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in (node.left, node.right)
    )


def site_of(node: Any, other: ast.AST) -> Site:
    """The bug that puts other code in the place of a node."""
    ast.fix_missing_locations(other)
    old, new = ast.unparse(node), ast.unparse(other)
    if isinstance(node, ast.expr) and not isinstance(
        other, ast.Constant | ast.Name | ast.Call | ast.Attribute
    ):
        text = f"({new})"
    else:
        text = new
    return Site(
        node.lineno,
        node.col_offset,
        node.end_lineno,
        node.end_col_offset,
        text,
        f"{short(old)} -> {short(new)}",
    )


def short(code: str) -> str:
    """Code on one line that is not too long."""
    line = " ".join(code.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
