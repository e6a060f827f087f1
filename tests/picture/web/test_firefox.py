"""The page in Firefox, by the protocol that it speaks itself (WebDriver BiDi): no driver is needed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import pytest

from tests.picture.conftest import Pages, Told
from tests.picture.graphs import three
from tests.picture.scenes import scene_of

client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
pytestmark = pytest.mark.slow  # a browser is opened

SHOWN = """new Promise(done => {
    const look = () => document.querySelector('#picture [data-row]') ? done(true) : setTimeout(look, 20);
    look();
})"""


class Firefox:
    """One tab."""

    def __init__(self, socket: Any) -> None:
        self.numbers = itertools.count(1)
        self.complaints: list[str] = []
        self.socket = socket
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **params: Any) -> Any:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]
            if answer.get("method") == "log.entryAdded":
                self.complaints.append(answer["params"]["text"])

    def run(self, script: str) -> Any:
        target = {"context": self.tab}
        found = self.ask("script.evaluate", expression=script, target=target, awaitPromise=True)
        return found["result"].get("value")

    def press(self, key: str) -> None:
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        actions = [{"type": "key", "id": "k", "actions": keys}]
        self.ask("input.performActions", context=self.tab, actions=actions)


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("there is no Firefox")
    words = [program, "--headless", "--no-remote", "--profile", str(tmp_path), "--remote-debugging-port", "0"]
    home = {**os.environ, "HOME": str(tmp_path)}
    with Popen(words, env=home, text=True, stdout=DEVNULL, stderr=PIPE) as process:
        try:
            assert process.stderr is not None
            told = next((line for line in process.stderr if "WebDriver BiDi listening on" in line), "")
            address = told.rpartition(" ")[2].strip()
            with client.connect(f"{address}/session", max_size=None) as socket:
                yield Firefox(socket)
        finally:
            process.kill()


@pytest.mark.hammer  # another browser is started
def test_firefox_shows_the_same_page(firefox: Firefox, pages: Pages) -> None:
    scene = scene_of(three(), 40, slow="add")
    firefox.ask("browsingContext.setViewport", context=firefox.tab, viewport={"width": 1280, "height": 900})
    address = pages.show(Told(scene.rails, scene.moments))
    firefox.ask("browsingContext.navigate", context=firefox.tab, url=address, wait="complete")
    assert firefox.run(SHOWN) is True
    assert firefox.run("document.querySelectorAll('#picture [data-row]').length") == len(scene.rails.rows)
    assert firefox.run("document.querySelector('#head').textContent").startswith("The trainer waits 60 %")
    firefox.press("\ue006")  # enter
    assert firefox.run("document.querySelector('#side h2').textContent").startswith("add")
    firefox.press("\ue012")  # left
    assert firefox.run("document.querySelector('#chip').textContent").endswith("ago")
    assert firefox.run("document.documentElement.scrollWidth <= innerWidth") is True
    assert firefox.complaints == []
