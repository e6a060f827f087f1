"""What each resource allows: samples a second of one trainer, if nothing else held it back."""

from __future__ import annotations

from collections.abc import Mapping

from .cluster import Cluster
from .costs import Costs

__all__ = ["limits", "order_of_work"]


def limits(costs: Costs, cluster: Cluster, cut: str | None) -> Mapping[str, float]:
    """By resource, in the order in which a batch meets them; the device last. Infinite ones are left out."""
    brought = costs.stored * cluster.missed
    each = 1 / cluster.trainers
    found = {"store": ratio(cluster.store * each, brought)}
    if cut is None:
        found["network"] = ratio(cluster.nic, brought)
        found["CPUs"] = ratio(cluster.cpus, costs.cpu + brought * cluster.transport)
    else:
        before, behind, between = costs.cut(cut)
        nodes = cluster.data_nodes * each
        sent = between * cluster.transport
        found["data nodes' network in"] = ratio(cluster.data_nic * nodes, brought)
        found["data nodes' CPUs"] = ratio(
            cluster.data_cpus * nodes, before + brought * cluster.transport + sent
        )
        found["data nodes' network out"] = ratio(cluster.data_nic * nodes, between)
        found["network"] = ratio(cluster.nic, between)
        found["CPUs"] = ratio(cluster.cpus, behind + sent)
    alone = max((stage for stage in costs.behind(cut) if stage.alone), key=lambda s: s.cpu, default=None)
    if alone is not None:
        found[f"one CPU for {alone.name}"] = ratio(1.0, alone.cpu)
    if cluster.demand is not None:
        found["device"] = cluster.demand
    return {name: rate for name, rate in found.items() if rate != float("inf")}


def ratio(supply: float, need: float) -> float:
    """Samples a second; infinite where none needs anything."""
    return supply / need if need > 0 else float("inf")


def order_of_work(found: Mapping[str, float]) -> list[str]:
    """The resources that make a batch, in their order: all but the device that takes it."""
    return [name for name in found if name != "device"]
