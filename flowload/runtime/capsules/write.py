"""Capsules of a run: a small file for each bad record, failed call, or stalled call."""

from __future__ import annotations

import json
import logging
import os
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from flowload.errors import DataError, FlowloadError
from flowload.files.replacing import replacing
from flowload.graph import Graph
from flowload.observe.stall import Dump
from flowload.printable import printable
from flowload.runtime.tasks.call import Member, RunCall
from flowload.runtime.world.document import World

from .block import as_json, digest_of

__all__ = ["CAPSULE", "Capsules"]

log = logging.getLogger("flowload")

CAPSULE = 1  #: version of the form
MOST = 20  #: files of a run
PASSES = ("seed", "epochs", "first_epoch", "align")


class Capsules:
    """Writes them to a folder, which is made; each whole or not at all, at most 20 a run, each failure once.

    Args:
        folder: where to.
        graph: what runs.
        world: its stages and their parameters, and how it runs.
    """

    def __init__(self, folder: str | os.PathLike[str], graph: Graph, world: World) -> None:
        self.folder = Path(folder)
        self.graph = graph
        self.world = world
        self.how = {name: getattr(world.run, name) for name in PASSES} | {"even": world.even}
        self.calls: WeakValueDictionary[tuple[str, int], RunCall] = WeakValueDictionary()  # under way
        self.written: set[tuple[str, int | None, str]] = set()
        self.lock = threading.Lock()

    def begins(self, member: Member, call: RunCall) -> None:
        """Note that a call begins, so that a stall can tell of it."""
        self.calls[member.name, call.number] = call

    def failed(self, member: Member, call: RunCall, error: BaseException) -> None:
        """A call has failed, or has found a bad record."""
        reason = error.reason if isinstance(error, DataError) else type(error).__name__
        where = error.where if isinstance(error, DataError) else ""
        told = {
            "why": "bad record" if isinstance(error, DataError) else "failure",
            "error": {
                "type": type(error).__name__,
                "reason": reason,
                "where": where,
                "message": str(error),
                "stack": traceback.format_exception(error),
            },
            "digest": digest_of(call.block, where),
        }
        self.write(member, call, reason, told)

    def stalled(self, dump: Dump, members: Sequence[Member]) -> None:
        """A run makes no progress: capsules of the calls that it is in."""
        names = {member.name: member for member in members}
        for held in dump.calls:
            call = None if held.block is None else self.calls.get((held.stage, held.block))
            member = names.get(held.stage)
            if member is not None and call is not None:
                told = {"why": "stall", "seconds": held.seconds, "error": {"stack": list(held.stack)}}
                self.write(member, call, "stall", {**told, "digest": digest_of(call.block, held.source)})

    def write(self, member: Member, call: RunCall, reason: str, told: Mapping[str, Any]) -> None:
        """Write one, unless there is one of this call, or there are enough; logs what goes wrong."""
        key = member.name, call.number, reason
        with self.lock:
            if key in self.written or len(self.written) >= MOST:
                return
            self.written.add(key)
            number = len(self.written)
        safe = "".join(letter if letter.isalnum() else "-" for letter in member.name)
        path = self.folder / f"{number:02}-{safe}-block-{call.number}.json"
        stage = self.world.document()["stages"].get(member.node, {})
        found = {
            "capsule": CAPSULE,
            **told,
            "node": member.node,
            "operator": member.name,
            "number": call.number,
            "epoch": call.epoch,
            "stage": stage,
            "run": self.how,
            "pipeline": self.graph.loaded,
            "block": as_json(call.block, self.graph.nodes()),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(json.dumps(found, indent=1, default=repr).encode())
        except (OSError, FlowloadError) as error:
            log.warning("the capsule %s could not be written: %s", path, error)
            return
        log.warning("%s: a capsule of block %d: %s", printable(member.node), call.number, path)
