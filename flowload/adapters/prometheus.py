"""Statistics of a run for Prometheus, over HTTP.

Names and units follow Prometheus' conventions: base units, `_total` for what only grows. Every stage has
the label `stage`, every queue `source` and `target`:

    flowload_stage_samples_total{direction="in"|"out"}   _blocks_total, _bytes_total: the same
    flowload_stage_dropped_samples_total{reason}
    flowload_stage_missing_samples_total                  given with a fill value for data never stored
    flowload_stage_held_samples, _workers, _running_calls
    flowload_stage_calls_total, _busy_seconds_total, _cpu_seconds_total
    flowload_stage_starved_seconds_total, _blocked_seconds_total, _thread_wait_seconds_total
    flowload_stage_call_seconds{quantile="0.5"|"0.95"|"1"}
    flowload_stage_gauge{name}                            what stages measure themselves
    flowload_queue_blocks, _capacity_blocks, _bytes
    flowload_delivered_samples_total, _batches_total, flowload_consumer_wait_seconds_total
    flowload_buffers_leased, flowload_buffer_bytes
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from flowload.errors import ClosedRun, MissingExtra
from flowload.observe.stats import EdgeStats, RunStats, StageStats
from flowload.printable import printable

from .hosts import is_asked

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["Collector", "serve_metrics"]


class Asked(Protocol):
    """What the exporter asks of a run, from `graph.iterate()` or `graph.stream()`."""

    def stats(self) -> RunStats: ...


class Sample(NamedTuple):
    """One number, by name and labels."""

    name: str
    value: float
    labels: dict[str, str]


class Collector:
    """Asks the run when Prometheus asks; between, it costs nothing.

    Examples:
        >>> from prometheus_client import CollectorRegistry
        >>> registry = CollectorRegistry()
        >>> with (fl.rows(10) >> fl.batch(5)).iterate() as batches:
        ...     registry.register(Collector(batches))
        ...     sizes = [len(batch["index"]) for batch in batches]
        ...     print(registry.get_sample_value("flowload_delivered_batches_total"))
        2
    """

    def __init__(self, run: Asked) -> None:
        self.run = run

    def collect(self) -> Iterator[Metric]:
        """All metrics, each with its samples; none before the run begins."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - an extra

        try:
            stats = self.run.stats()
        except ClosedRun:
            return
        families: dict[str, Any] = {}
        for name, value, labels in samples(stats):
            if name not in families:
                kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
                families[name] = kind(name, name.replace("_", " "), labels=list(labels))
            families[name].add_metric(list(labels.values()), value)
        yield from families.values()


def samples(stats: RunStats) -> Iterator[Sample]:
    """Every number of a run."""
    for stage in stats.stages.values():
        yield from of_stage(stage)
    for edge in stats.edges:
        yield from of_queue(edge)
    for name, value in {
        "delivered_samples_total": stats.delivered,
        "delivered_batches_total": stats.blocks_delivered,
        "consumer_wait_seconds_total": stats.consumer_wait,
        "loop_cpu_seconds_total": stats.loop_time,
        "buffers_leased": stats.buffers_leased,
        "buffer_bytes": stats.buffer_bytes,
        "elapsed_seconds": stats.elapsed,
        "network_requests_total": stats.network.requests,
        "network_failures_total": stats.network.failures,
        "network_bytes_total": stats.network.bytes,
        "network_busy_seconds_total": stats.network.busy,
        "network_wait_seconds_total": stats.network.waiting,
    }.items():
        yield Sample(f"flowload_{name}", value, {})


def of_stage(stage: StageStats) -> Iterator[Sample]:
    """The numbers of a stage."""
    where = {"stage": printable(stage.name)}
    both = {
        "samples": (stage.in_, stage.out),
        "blocks": (stage.blocks_in, stage.blocks_out),
        "bytes": (stage.bytes_in, stage.bytes_out),
    }
    for name, values in both.items():
        for direction, value in zip(("in", "out"), values, strict=True):
            yield Sample(f"flowload_stage_{name}_total", value, {**where, "direction": direction})
    for reason, value in stage.dropped.items():
        yield Sample("flowload_stage_dropped_samples_total", value, {**where, "reason": printable(reason)})
    for quantile, seconds in (("0.5", stage.p50), ("0.95", stage.p95), ("1", stage.longest)):
        yield Sample("flowload_stage_call_seconds", seconds, {**where, "quantile": quantile})
    for name, number in stage.gauges.items():
        yield Sample("flowload_stage_gauge", number, {**where, "name": printable(name)})
    for name, number in {
        "held_samples": stage.held,
        "missing_samples_total": stage.missing,
        "workers": stage.workers,
        "running_calls": stage.running,
        "calls_total": stage.calls,
        "busy_seconds_total": stage.busy,
        "cpu_seconds_total": stage.cpu,
        "starved_seconds_total": stage.starved,
        "blocked_seconds_total": stage.blocked,
        "thread_wait_seconds_total": stage.waited,
    }.items():
        yield Sample(f"flowload_stage_{name}", number, where)


def of_queue(edge: EdgeStats) -> Iterable[Sample]:
    """The numbers of a queue."""
    where = {"source": printable(edge.source), "target": printable(edge.target)}
    values = {"blocks": edge.blocks, "capacity_blocks": edge.capacity, "bytes": edge.nbytes}
    return [Sample(f"flowload_queue_{name}", value, where) for name, value in values.items()]


class Threads(ThreadingMixIn, WSGIServer):
    """HTTP server with a thread for each request; none outlives its answer."""

    daemon_threads = True


class Threads6(Threads):
    """The same for addresses such as `::1`."""

    address_family = socket.AF_INET6


def server_of(host: str) -> type[WSGIServer]:
    """The kind of server for an address."""
    return Threads6 if ":" in host else Threads


class Silent(WSGIRequestHandler):
    """Request handler that logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silence."""


def for_this_machine(application: Any, host: str, names: Sequence[str]) -> Any:
    """A WSGI application that answers under this machine's names alone."""

    def answer(environ: Mapping[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if is_asked(environ.get("HTTP_HOST", ""), host, names):
            found: Iterable[bytes] = application(environ, start)
            return found
        start("421 Misdirected Request", [("Content-Type", "text/plain")])
        return [b"not the name of this machine\n"]

    return answer


@contextmanager
def serve_metrics(
    run: Asked, port: int = 0, host: str = "127.0.0.1", names: Sequence[str] = ()
) -> Iterator[str]:
    """While inside, serve the metrics of a run; gives the address to scrape.

    A request under a name that is not this machine's gets 421: see `hosts.is_asked`.

    Args:
        run: the run.
        port: 0: one that is free.
        host: where to listen; only on this machine unless told otherwise.
        names: further names under which it may be asked, such as that of a service in a cluster.

    Raises MissingExtra, and OSError where the port is taken.

    Examples:
        >>> from urllib.request import urlopen
        >>> with (fl.rows(10) >> fl.batch(5)).iterate() as batches, serve_metrics(batches) as address:
        ...     sizes = [len(batch["index"]) for batch in batches]
        ...     page = urlopen(address).read().decode()
        >>> [line for line in page.splitlines() if line.startswith("flowload_delivered_samples_total")]
        ['flowload_delivered_samples_total 10.0']
    """
    try:
        from prometheus_client import CollectorRegistry, make_wsgi_app  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra(
            "metrics are served by prometheus-client: pip install 'flowload[metrics]'"
        ) from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(run))
    application = for_this_machine(make_wsgi_app(registry), host, names)
    server = make_server(host, port, application, server_of(host), Silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="flowload-metrics", daemon=True)
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
