"""A click command whose options are its own and those of the pipeline file that it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.graph.pipelines.load import Pipeline, executed, noted
from flowload.graph.pipelines.options import Option, convert, takes_several
from flowload.graph.pipelines.shipped import located

from .completion import values_of
from .words import file_place, join_lists, spell_bools, verbosity

__all__ = ["Asked", "Drawing", "FileCommand"]


@dataclass
class Drawing:
    """The pipeline file that a command line names, and the options that were given for it."""

    path: Path
    pipeline: Pipeline[...]
    given: dict[str, Any] = field(default_factory=dict)

    def draw(self) -> Graph:
        """The graph; raises what the file raises, noted with its path."""
        checked = self.pipeline.checked(self.given, str(self.path))
        with noted(self.path):
            return self.pipeline.drawn(self.path, checked)

    def values(self) -> dict[str, Any]:
        """All options: those given, and the defaults of the others."""
        return {option.name: self.given.get(option.name, option.default) for option in self.pipeline.options}

    @property
    def flags(self) -> list[str]:
        """The options that are on or off."""
        return [word_of(option) for option in self.pipeline.options if option.annotation is bool]

    @property
    def lists(self) -> list[str]:
        """The options that take several values."""
        return [word_of(option) for option in self.pipeline.options if takes_several(option)]


@dataclass
class Asked:
    """What was parsed of the command line so far; one for each invocation."""

    verbose: int = 0
    drawing: Drawing | None = None

    @property
    def file(self) -> Drawing:
        """The pipeline file, once the command line was parsed."""
        assert self.drawing is not None  # noqa: S101 - FILE is a required argument
        return self.drawing


class PipelineOption(click.Option):
    """One option of the file, as an option of the command line."""

    def __init__(self, option: Option, given: dict[str, Any]) -> None:
        self._option = option
        self._given = given
        word, flag = word_of(option), option.annotation is bool
        super().__init__(
            # A name that no parameter of the command has: the parser keeps values by name.
            [f"{word}/--no-{word.removeprefix('--')}" if flag else word, f"option_{option.name}"],
            default=None,
            metavar=None if flag else option.type.replace("'", "").replace(" ", ""),
            help=f"{option.help} [{written(option.default)}]".strip(),
            callback=self._keep,
            expose_value=False,
        )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """The values that the parameter takes."""
        return values_of(self._option.annotation, incomplete)

    def _keep(self, _context: click.Context, _parameter: click.Parameter, value: str | bool | None) -> None:
        if value is not None:  # what was not given is the function's own business
            self._given[self._option.name] = (
                value if isinstance(value, bool) else convert(self._option, value)
            )


class FileCommand(click.Command):
    """`flowload run FILE --its-options`: the file is executed first, to learn its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the file, take its options in, then parse all."""
        asked = ctx.ensure_object(Asked)
        asked.verbose = verbosity(args)
        place = file_place(args, self.params)
        if place is None:
            return super().parse_args(ctx, args)
        if ctx.resilient_parsing:  # a shell wants to complete a word: what is wrong is not its business
            with suppress(Exception):
                self.take_in(ctx, args, place)
            return super().parse_args(ctx, args[place:])
        return self.parse_all(ctx, args, place)

    def take_in(self, ctx: click.Context, args: list[str], place: int) -> Drawing:
        """The file that the command line names, executed."""
        path = located(Path(args[place]))
        pipeline = ctx.with_resource(executed(path))
        self.refuse_twins(pipeline, path)
        drawing = ctx.ensure_object(Asked).drawing = Drawing(path, pipeline)
        return drawing

    def parse_all(self, ctx: click.Context, args: list[str], place: int) -> list[str]:
        """Take the file in, then parse the words by its options, too."""
        drawing = self.take_in(ctx, args, place)
        rest = join_lists(args[:place] + args[place + 1 :], drawing.lists)
        rest = spell_bools(rest, drawing.flags)
        try:
            return super().parse_args(ctx, [args[place], *rest])
        except click.NoSuchOption as error:
            told = self.unknown(error.option_name, drawing.pipeline, drawing.path)
            raise click.UsageError(told, ctx) from error

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own, then the file's."""
        return super().get_params(ctx) + self.of_file(ctx)

    def of_file(self, ctx: click.Context) -> list[click.Parameter]:
        """The file's options."""
        drawing = ctx.ensure_object(Asked).drawing
        if drawing is None:
            return []
        return [PipelineOption(option, drawing.given) for option in drawing.pipeline.options]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The file's options first, under a heading of their own."""
        drawing = ctx.ensure_object(Asked).drawing
        sections: Mapping[str, Iterable[click.Parameter]] = {
            f"Options of {drawing.path}" if drawing else "": self.of_file(ctx),
            f"Options of flowload {self.name}": super().get_params(ctx),
        }
        for heading, parameters in sections.items():
            options = [p for p in parameters if isinstance(p, click.Option)]
            records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records, col_max=32)

    def refuse_twins(self, pipeline: Pipeline[...], path: Path) -> None:
        """An option of the file must not hide one of the command."""
        own = {*self.words(), "--help"}
        for option in pipeline.options:
            if word_of(option) in own:
                raise GraphError(
                    f"{path}: the option {option.name!r} has the name of an option of "
                    f"'flowload {self.name}'; rename it"
                )

    def words(self) -> list[str]:
        """The command's own options, as they are written."""
        return [max(p.opts, key=len) for p in self.params if isinstance(p, click.Option)]

    def unknown(self, word: str, pipeline: Pipeline[...], path: Path) -> str:
        """The message for an option that nobody has."""
        theirs, own = list(map(word_of, pipeline.options)), self.words()
        near = get_close_matches(word, [*theirs, *own], 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return (
            f"no option {word}{hint}; {path} has {' '.join(theirs) or 'none'}; "
            f"flowload {self.name} has {' '.join(own)}"
        )


def word_of(option: Option) -> str:
    """The option as it is written on a command line."""
    return "--" + option.name.replace("_", "-")


def written(value: object) -> str:
    """A default as it would be written on a command line."""
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
