"""Neighbouring Maps as one: a block goes through all of them in one hop."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any

from flowload.errors import DataError
from flowload.protocols import Block, Map
from flowload.runtime.call import Member, RunCall
from flowload.runtime.channel import Item

__all__ = ["Calls", "apply_maps", "apply_maps_async", "is_async"]

#: Calls of one hop with their members and what they made, to be settled in stream order.
Calls = list[tuple[Member, RunCall, Block | None]]


def is_async(member: Member) -> bool:
    """The operator is a Map whose `apply` is a coroutine function."""
    return iscoroutinefunction(getattr(member.operator, "apply", None))


def apply_maps(members: Sequence[Member], item: Item) -> tuple[Item, Calls]:
    """Take one block through neighbouring Maps, in a thread."""
    calls: Calls = []
    block = item.block
    for member in members:
        if block is None:
            break
        call = member.call(item.number, block)
        began = perf_counter()
        try:
            block = _operator(member).apply(block, call)
        except DataError as error:
            _reject(member, call, error)
            block = None
        except BaseException as error:
            raise member.note(error) from error.__cause__
        call.seconds = perf_counter() - began
        calls.append((member, call, block))
    return Item(item.number, block), calls


async def apply_maps_async(members: Sequence[Member], item: Item) -> tuple[Item, Calls]:
    """Take one block through neighbouring Maps that are coroutine functions, in the loop."""
    calls: Calls = []
    block = item.block
    for member in members:
        if block is None:
            break
        call = member.call(item.number, block)
        began = perf_counter()
        try:
            block = await _operator(member).apply(block, call)
        except DataError as error:
            _reject(member, call, error)
            block = None
        except BaseException as error:
            raise member.note(error) from error.__cause__
        call.seconds = perf_counter() - began
        calls.append((member, call, block))
    return Item(item.number, block), calls


def _operator(member: Member) -> Any:
    assert isinstance(member.operator, Map), member  # noqa: S101 - the plan put it into a chain of Maps
    return member.operator


def _reject(member: Member, call: RunCall, error: DataError) -> None:
    """The whole block is bad: by policy an error, or a counted skip."""
    call.found = None
    call.drops.clear()
    call.rejects.clear()
    try:
        call.reject(error, call.samples)
    except DataError:
        raise member.note(error) from error.__cause__
