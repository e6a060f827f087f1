"""Pictures of runs: nothing overlaps, the numbers are the run's, and the page moves in a real browser."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import flowload as fl
from flowload.errors import MissingExtra
from flowload.graph import Graph
from flowload.observe.stats import RunStats
from flowload.picture.live import Live, Server, serve
from flowload.picture.scene import Scene, scene_of
from flowload.picture.watcher import Watcher
from flowload.sample import sample_path
from tests.runtime.stages import fan_out, in_turn, numbers, plus, rebatch

pytest.importorskip("pygraphviz", reason="the extra 'graphviz' is not installed")

from flowload.picture.dot import draw_png, to_dot
from flowload.picture.layout import BOX, GAP, LABEL, Layout, arrange
from flowload.picture.mermaid import to_mermaid
from flowload.picture.painter import paint
from flowload.picture.svg import to_svg

ROOT = Path(__file__).parents[2]
LONG = "a_name_so_long_that_no_box_has_room_for_it_<&>'\""


def three() -> Graph:
    return numbers(60, 2) >> plus(1, name="add", workers=2) >> rebatch(5, name="cut")


def thirty() -> Graph:
    """Thirty stages with branches that join again, and two outputs."""
    split = numbers(240, 6) >> plus(0, name=LONG) >> fan_out("a", "b", "c", "d")
    branches = []
    for k, port in enumerate("abc"):
        branch: Graph = split[port]
        for step in range(6):
            branch = branch >> plus(1, name=f"step_{k}_{step}", workers=1 + step % 2)
        branches.append(branch)
    joined = branches >> in_turn() >> rebatch(8, name="batch") >> plus(0, name="device", workers=1)
    other: Graph = split["d"]
    for step in range(5):
        other = other >> rebatch(2 + step, name=f"cut_{step}")
    return fl.outputs(train=joined, valid=other >> plus(0, name="last", workers=3))


def run(graph: Graph) -> RunStats:
    """Statistics in the midst of a run, while its queues are filled."""
    names = [end.name for end in graph.plan.ends]
    with graph.iterate(cpus=2, epochs=None) as batches:
        outputs = [iter(batches) if len(names) == 1 else batches[name] for name in names]
        for _ in range(8):
            for output in outputs:
                next(output)
        stats = batches.stats()
        assert isinstance(stats, RunStats)
        return stats


@pytest.fixture(scope="module", params=[three, thirty], ids=["three stages", "thirty with branches"])
def scene(request: pytest.FixtureRequest) -> Scene:
    graph = request.param()
    return scene_of(graph, run(graph), title="test")


def rectangles(scene: Scene, layout: Layout) -> Iterator[tuple[float, float, float, float]]:
    for x, y in layout.boxes.values():
        yield x - BOX[0] / 2, y - BOX[1] / 2, x + BOX[0] / 2, y + BOX[1] / 2
    for link, (x, y) in zip(scene.links, layout.labels, strict=True):
        if link.capacity or link.port:
            middle = x + GAP / 2
            yield middle - LABEL[0] / 2, y - LABEL[1] / 2, middle + LABEL[0] / 2, y + LABEL[1] / 2


def test_nothing_overlaps(scene: Scene) -> None:
    layout = arrange(scene)
    for one, two in itertools.combinations(rectangles(scene, layout), 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart, (one, two)


def test_every_stage_queue_and_output_is_in_the_picture(scene: Scene) -> None:
    assert scene.numbers is not None
    names = {box.name for box in scene.boxes}
    assert names >= set(scene.numbers.stages)
    assert {link.source for link in scene.links} | {link.target for link in scene.links} == names
    queues = [edge for edge in scene.numbers.edges if not edge.target[-1].isdecimal() or "_" in edge.target]
    assert len([link for link in scene.links if link.capacity]) == len(queues)


def test_the_numbers_are_those_of_the_run(scene: Scene) -> None:
    assert scene.numbers is not None
    for name, stage in scene.numbers.stages.items():
        box = scene.box(name)
        books = f"{stage.in_:,} = {stage.out:,} + {sum(stage.dropped.values()):,} + {stage.held:,}"
        assert dict(box.details)["in = out + dropped + held"] == books
        assert box.busy <= 1
        assert box.busy + box.blocked + box.starved <= 1 + 1e-9
    assert "0 dropped; ledger balanced" in scene.title
    for link in scene.links:
        if link.capacity:
            assert link.text.startswith(f"{link.depth}/{link.capacity} ")


def test_svg_is_well_formed_and_shows_every_name(scene: Scene) -> None:
    made = to_svg(scene, arrange(scene))
    root = ET.fromstring(made)
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for box in scene.boxes:
        assert any(box.name.startswith(text.rstrip("…")) for text in texts if len(text) > 2)
    assert any("limit" in text for text in texts)
    assert "http://" not in made.replace("http://www.w3.org/2000/svg", "")


def test_dot_mermaid_and_png(scene: Scene, tmp_path: Path) -> None:
    dot, mermaid = to_dot(scene), to_mermaid(scene)
    assert dot.count("->") == len(scene.links)
    assert mermaid.count("-->") + mermaid.count("-.->") == len(scene.links)
    draw_png(scene, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "x.png").stat().st_size > 5000


# ---- the page


@pytest.fixture
def page() -> Iterator[tuple[Live, Server]]:
    """A page of a run with two moments."""
    graph = three()
    watcher = Watcher(0.5)
    with graph.iterate(cpus=2, epochs=None) as batches:
        for _ in range(2):
            next(batches)
            watcher.paint(batches.stats(), {})
    live = Live(graph, watcher, "three")
    server = serve(live)
    try:
        yield live, server
    finally:
        server.shutdown()
        server.server_close()


def fetch(address: str, **headers: str) -> bytes:
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        content = answer.read()
    assert isinstance(content, bytes)
    return content


def test_the_state_is_one_moment_in_numbers_and_picture(page: tuple[Live, Server]) -> None:
    live, server = page
    state = json.loads(fetch(server.address + "state"))
    now = live.watcher.now
    assert now is not None
    assert state["stats"] == json.loads(json.dumps(now.as_json()))
    assert [stage["name"] for stage in state["stages"]] == [*now.stages, "output 'out'"]
    assert len(state["stages"][0]["rates"]) == 1
    assert state["svg"].count("class='stage'") == 4
    assert state["ended"] == ""


def test_before_the_first_moment_there_is_an_empty_state(page: tuple[Live, Server]) -> None:
    live, server = page
    live.watcher.moments.clear()
    assert json.loads(fetch(server.address + "state"))["stages"] == []


def test_it_listens_on_loopback_and_answers_to_no_other_name(page: tuple[Live, Server]) -> None:
    _, server = page
    assert server.server_address[0] == "127.0.0.1"
    for path, host, status in (("state", "evil.example:80", 421), ("../etc/passwd", None, 404)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(server.address + path, **({"Host": host} if host else {}))
        assert caught.value.code == status
        caught.value.close()


def test_the_page_loads_nothing_from_elsewhere(page: tuple[Live, Server]) -> None:
    parts = {name: fetch(page[1].address + name).decode() for name in ("", "page.css", "page.js")}
    assert re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>\s]*)""", parts[""]) == ["page.css", "page.js"]
    for text in parts.values():
        assert not re.search(r"@import|url\(|https?:", text)


def test_every_answer_says_what_a_browser_may_do(page: tuple[Live, Server]) -> None:
    _, server = page
    for path, host in (
        ("", None),
        ("page.js", None),
        ("state", None),
        ("no", None),
        ("state", "evil.example"),
    ):
        request = urllib.request.Request(server.address + path, headers={"Host": host} if host else {})
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert set(policy.split("; ")) >= {
                "default-src 'none'",
                "script-src 'self'",
                "frame-ancestors 'none'",
            }
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"


def test_nothing_on_the_page_needs_what_is_forbidden(page: tuple[Live, Server]) -> None:
    live, server = page
    picture = live.state()["svg"]
    for text in (fetch(server.address).decode(), picture):
        assert not re.search(r"<style|style\s*=|<script>|\son[a-z]+\s*=|javascript:", text)


# ---- the command


def graphviz(*words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/graphviz", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **how)


@pytest.mark.slow
def test_the_command_draws_the_chess_pipeline(tmp_path: Path) -> None:
    out = tmp_path / "chess.svg"
    done = graphviz("pipelines/chess.py", "--batches", "3", "--batch-size", "64", "--device", "cpu",
                    "--data", str(sample_path("chess")), "-o", str(out))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unpack" in out.read_text()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pipelines/chess.py"], "wanted -o PATH, or --live"),
        (["pipelines/chess.py", "-o", "chess.txt"], "wanted a name that ends in .svg"),
        (["pipelines/chess.py", "-o", "no/such/x.svg"], "there is no such folder"),
        (["pipelines/chess.py", "-o", "x.svg", "--bach-size", "3"], "did you mean --batch-size?"),
        (["pipelines/none.py", "-o", "x.svg"], "no pipeline file"),
    ],
)
def test_mistakes_are_told_before_anything_runs(words: list[str], told: str) -> None:
    done = graphviz(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


# ---- a real browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        if chromium is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip("there is no browser")
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.slow
def test_a_browser_shows_it_moving_pauses_and_tells_details(page: tuple[Live, Server], browser: Any) -> None:
    live, server = page
    tab = browser.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(server.address)
    tab.wait_for_selector("main .stage")
    assert tab.inner_text("#word") == "live"
    tab.click("main .stage[data-name=cut]")
    assert tab.inner_text("#picked") == "cut"
    assert "in = out + dropped + held" in tab.inner_text("#details")
    assert tab.locator("canvas").count() == 8

    last = live.watcher.now
    assert last is not None
    live.watcher.paint(last._replace(delivered=987_654), {})
    tab.wait_for_selector("#title:has-text('987,654')")
    tab.click("#pause")
    assert tab.inner_text("#word") == "paused"
    live.watcher.paint(last._replace(delivered=111), {})
    with tab.expect_request("**/state") as asked:
        tab.click("#pause")  # only then does it ask again
    assert asked.value.url.endswith("/state")
    tab.wait_for_selector("#title:has-text('111 samples')")
    live.ended = "seconds"
    tab.wait_for_selector("#word:has-text('over: seconds')")
    assert complaints == []
    tab.close()


def test_in_a_browser_no_text_overlaps_or_leaves_its_box(scene: Scene, browser: Any) -> None:
    tab = browser.new_page()
    tab.set_content(to_svg(scene, arrange(scene)))
    boxes = tab.evaluate(
        "[...document.querySelectorAll('text')].map(t => { const b = t.getBoundingClientRect(), v ="
        " document.querySelector('svg').getBoundingClientRect();"
        " return [b.left, b.top + 1, b.right, b.bottom - 1, t.textContent, v.right, v.bottom]; })"
    )
    assert len(boxes) > 3 * len(scene.boxes)
    for one, two in itertools.combinations(boxes, 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart, (one, two)
    assert all(box[2] <= box[5] and box[3] <= box[6] and box[0] >= 0 for box in boxes)
    tab.close()


@pytest.mark.slow
def test_without_graphviz_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene_of(three(), run(three()))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(MissingExtra, match=r"pip install 'flowload\[graphviz\]'"):
        arrange(made)


def test_a_full_disk_is_named(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*x\.svg'"):
        paint(scene, tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())
