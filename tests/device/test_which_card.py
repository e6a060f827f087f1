"""The card of a run is that of whoever asks for it."""

from __future__ import annotations

import threading

import anyio
import pytest
import torch

from flowload.graph import Graph
from tests.device.conftest import Install
from tests.device.flows import rows


def first(graph: Graph) -> torch.device:
    with graph.iterate(seed=1) as batches:
        device: torch.device = next(batches)["x"].device
    return device


@pytest.mark.parametrize("target", ["cuda", "auto"])
def test_the_card_is_that_of_the_thread_which_asks(
    target: str, cards: Install, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("flowload.stages.device.to_device.may_have_gpu", lambda: True)
    cards(3)
    torch.cuda.set_device(1)
    assert first(rows(target)) == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert first(rows(target)) == torch.device("cuda", 1)
    torch.cuda.set_device(0)
    assert first(rows(target)) == torch.device("cuda", 2)
    assert [line for line in caplog.messages if "takes cuda:2, for LOCAL_RANK is 2" in line]
    assert first(rows("cuda:0")) == torch.device("cuda", 0)


def test_a_run_that_is_read_in_another_thread_stays_on_its_card(cards: Install) -> None:
    card = cards(2, mode="late")
    torch.cuda.set_device(1)
    run = rows("cuda").iterate(seed=1)
    torch.cuda.set_device(0)
    card.consumer = card.defaults[1]
    devices: list[torch.device] = []

    def reads() -> None:
        with run as batches:
            devices.extend(batch["x"].device for batch in batches)

    thread = threading.Thread(target=reads)
    thread.start()
    thread.join()
    assert set(devices) == {torch.device("cuda", 1)}
    card.synchronize()
    assert not card.faults


def test_each_rank_of_a_stream_has_its_own(cards: Install) -> None:
    async def stream() -> torch.device:
        async with rows("cuda").stream(seed=1) as batches:
            device: torch.device = (await anext(batches))["x"].device
            return device

    cards(2)
    torch.cuda.set_device(1)
    assert anyio.run(stream) == torch.device("cuda", 1)


@pytest.mark.parametrize("target", ["cuda", "auto"])
def test_before_cuda_is_initialised_nobody_has_chosen_a_card(
    target: str, cards: Install, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("flowload.stages.device.to_device.may_have_gpu", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    card = cards(3)
    card.initialised = False
    assert first(rows(target)) == torch.device("cuda", 1)
    card.initialised = True  # by that
    assert first(rows(target)) == torch.device("cuda", 1)
    assert not caplog.messages
