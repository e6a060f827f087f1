"""The chess benchmark: everybody in turn, then the first batch, then memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter

from tools.bench.measuring.machine import describe_machine
from tools.bench.measuring.settings import Contender, Settings, Work
from tools.bench.measuring.turns import play
from tools.bench.rivals.entries import rivals

from .corpus import load_corpus
from .first import first_batches
from .footprint import footprint
from .graphs import graph
from .report import report
from .roofline import name_of, roofline
from .rounds import rows_of
from .yardstick import yardstick

__all__ = ["measure_chess"]

LAYOUTS = ("tuple", "bits")  #: beside "tensors", at the first rate


def measure_chess(settings: Settings, tell: Callable[[str], None]) -> dict[str, object]:
    """Measure, show, and give everything as JSON values."""
    corpus = load_corpus(settings.data)
    others, absent = rivals(corpus, settings) if settings.rivals else ([], {})
    tensors = [Work(rate) for rate in settings.rates]
    layouts = [Work(settings.rates[0], layout) for layout in LAYOUTS]
    contenders = [yardstick(corpus)]
    for work in (*tensors, *layouts):
        contenders += [roofline(corpus, settings, work), graph(settings, work, against=name_of(work))]
    device = graph(settings, tensors[0], against=name_of(tensors[0]), device="cpu")
    contenders[3:3] = [device]
    contenders = list(chosen([*contenders, *others], settings))
    readings = play(contenders, settings, tell, "frames", attrgetter("frames"))
    rows = rows_of(contenders, readings, corpus)
    result: dict[str, object] = {
        "machine": describe_machine(settings.cpus),
        "settings": settings.as_json(),
        "data": {"chunks": len(corpus.chunks), "frames": corpus.frames, "bytes": corpus.nbytes},
        "rows": [row.as_json() for row in rows],
        "absent": absent,
    }
    first = first_batches(settings, tell)
    memory = footprint(corpus, settings, tell)
    result["first_batch"] = {name: spread._asdict() for name, spread in first.items()}
    result["memory"] = [found._asdict() for found in memory]
    print(report(result, rows, first, memory))
    return result


def chosen(contenders: list[Contender], settings: Settings) -> Iterator[Contender]:
    """Those that were asked for; the yardstick is always among them."""
    for contender in contenders:
        if (
            not settings.only
            or contender.group == "yardstick"
            or any(word in contender.name for word in settings.only)
        ):
            yield contender
