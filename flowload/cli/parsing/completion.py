"""What a shell completes: pipelines by name or file, and the values that options take."""

from __future__ import annotations

import typing
from typing import Any, Literal

import click
from click.shell_completion import CompletionItem

from flowload.graph.pipelines.shipped import shipped_pipelines

__all__ = ["PipelineFile", "names_of", "values_of"]


class PipelineFile(click.Path):
    """FILE: the name of a pipeline that comes with flowload, or a Python file."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin so, and files."""
        return [*names_of(ctx, param, incomplete), *super().shell_complete(ctx, param, incomplete)]


def names_of(
    _ctx: click.Context | None, _param: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """Pipelines that come with flowload, whose names begin so."""
    return [CompletionItem(name) for name in shipped_pipelines() if name.startswith(incomplete)]


def values_of(annotation: Any, incomplete: str) -> list[CompletionItem]:
    """The words of a type that begin so; a type that takes paths, or any text, has files."""
    words = sorted(words_of(annotation))
    found = [CompletionItem(word) for word in words if word.startswith(incomplete)]
    return found if words else [CompletionItem(incomplete, type="file")]


def words_of(annotation: Any) -> set[str]:
    """What may be written for a Literal, or a union with one."""
    if typing.get_origin(annotation) is Literal:
        return set(map(str, typing.get_args(annotation)))
    return set().union(*map(words_of, typing.get_args(annotation)))
