"""The words of a command line before they are parsed: where FILE stands, how a bool may be spelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from flowload.graph.pipelines.options import BOOLS, SEVERAL
from flowload.graph.pipelines.shipped import shipped_pipelines

__all__ = ["file_place", "join_lists", "spell_bools", "verbosity"]


def file_place(args: Sequence[str], own: Sequence[click.Parameter]) -> int | None:
    """Where FILE stands: first, or else the first word that ends in .py or names a shipped pipeline.

    It is no value of one of the command's own options.

    An option of the file may stand before it, and only the file knows whether that takes a value.
    """
    places = list(bare_words(args, own))
    if not places or places[0] == 0:
        return 0 if places else None
    names = shipped_pipelines()
    files = [place for place in places if args[place].endswith(".py")]
    return next(iter([*files, *(place for place in places if args[place] in names), *places]))


def bare_words(args: Sequence[str], own: Sequence[click.Parameter]) -> Iterator[int]:
    """Places of words that are neither options nor values of the command's own options."""
    valued = {
        word for p in own if isinstance(p, click.Option) and not (p.is_flag or p.count) for word in p.opts
    }
    before = ""
    for place, word in enumerate(args):
        if not word.startswith("-") and before not in valued:
            yield place
        before = word


def spell_bools(args: Sequence[str], flags: Sequence[str]) -> list[str]:
    """`--flag=false` and `--flag false` as `--no-flag`, for the options that are flags."""
    spelled: list[str] = []
    words = iter(enumerate(args))
    for place, word in words:
        flag, equals, value = word.partition("=")
        if flag not in flags:
            spelled.append(word)
            continue
        if not equals and place + 1 < len(args) and args[place + 1].lower() in BOOLS:
            value = next(words)[1]
        if value.lower() in BOOLS:
            spelled.append(flag if BOOLS[value.lower()] else f"--no-{flag.removeprefix('--')}")
        else:
            spelled.append(word)
    return spelled


def join_lists(args: Sequence[str], lists: Sequence[str]) -> list[str]:
    """`--data a.tar b.tar`, as a shell spells `--data *.tar`, in one word, with `SEVERAL` in between."""
    joined: list[str] = []
    taken = -1  # values so far of the option of lists that is being read; -1: of none
    for word in args:
        if word.startswith("-"):
            taken = 0 if word in lists else -1
        elif taken >= 0:
            taken += 1
        if taken > 1:
            joined[-1] += f"{SEVERAL}{word}"
        else:
            joined.append(word)
    return joined


def verbosity(args: Sequence[str]) -> int:
    """How often -v was said, known before anything is parsed: parsing may fail, and then it counts most."""
    return sum(word.count("v") for word in args if word.strip("v") == "-") + args.count("--verbose")
