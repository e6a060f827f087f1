"""flowload itself: the graph of the README, with bounds for any number of passes."""

from __future__ import annotations

from collections.abc import Mapping
from time import process_time

import flowload as fl
from tools.bench.measuring.settings import Contender, Reading, Settings, Window, Work
from tools.bench.measuring.window import watch

__all__ = ["draw", "graph"]


def draw(settings: Settings, work: Work, *, device: str | None = None) -> fl.Graph:
    """From files to batches; with a device, to tensors on it."""
    drawing = (
        fl.discover(settings.data)
        >> fl.read("lc0")
        >> fl.shuffle_pool(settings.pool)
        >> fl.unpack(rate=work.rate)
        >> fl.reservoir(settings.reservoir)
        >> fl.batch(settings.batch, layout=work.layout)
    )
    return drawing if device is None else drawing >> fl.to_device(device)


def graph(settings: Settings, work: Work, *, against: str, device: str | None = None) -> Contender:
    """A run of its own for every measurement."""
    drawing = draw(settings, work, device=device)

    def measure(window: Window) -> Reading:
        with drawing.iterate(epochs=None, cpus=settings.cpus) as batches:

            def probe() -> Mapping[str, float]:
                stats = batches.stats()
                return {
                    "loop": stats.loop_time,
                    "made": stats.buffers_made,
                    "bytes": stats.buffer_bytes,
                    "cpu": process_time(),
                }

            seen = watch(iter(batches), window, probe)
        return Reading(
            seen.frames / seen.seconds,
            cores=seen.gain("cpu") / seen.seconds,
            loop=seen.gain("loop") / seen.seconds,
            made=round(seen.gain("made")),
            buffer_bytes=round(seen.after["bytes"]),
        )

    name = f"flowload, {work}" + ("" if device is None else f", to_device({device!r})")
    return Contender(name=name, group="graph", work=work, measure=measure, against=against)
