"""The page's server: on loopback alone, under its own names alone, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from http.client import HTTPMessage
from importlib.resources import files

import pytest

from flowload.picture.svg.palette import RULES
from flowload.picture.web.server import PAGES, serve_boards
from tests.picture.conftest import Pages, Told
from tests.picture.graphs import three
from tests.picture.scenes import scene_of

SCENE = scene_of(three(), 6, slow="add")


def fetch(address: str, **headers: str) -> tuple[int, bytes, HTTPMessage]:
    request = urllib.request.Request(address, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read(), answer.headers


def test_it_listens_on_loopback_and_answers_to_no_other_name(pages: Pages) -> None:
    assert pages.server.server_address[0] == "127.0.0.1"
    assert pages.url.startswith("http://127.0.0.1:")
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        for path in ("", "state", "graph", "stats.json"):
            assert fetch(pages.url + path, Host=host)[0] == 421
    assert fetch(pages.url, Host="localhost:1")[0] == 200


@pytest.mark.parametrize("path", ["../server.py", "page.py", "page/page.js", "%2e%2e/palette.py", "x.html"])
def test_nothing_else_is_served(pages: Pages, path: str) -> None:
    assert fetch(pages.url + path)[0] == 404


def test_the_page_loads_nothing_from_elsewhere(pages: Pages) -> None:
    parts = {name: fetch(pages.url + name)[1].decode() for name in ("", *PAGES, "drawing.css")}
    loaded = re.findall(r"""(?:src|href)=["']?([^"'>\s]*)""", parts[""])
    assert {name for name in loaded if name.endswith((".css", ".js"))} == {
        "drawing.css",
        "page.css",
        "page.js",
    }
    for name, text in parts.items():
        bare = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"@import|url\(|https?:|//[a-z]+\.[a-z]", bare), name
    imported = {found for text in parts.values() for found in re.findall(r'from "\./([\w.]+)"', text)}
    assert imported <= set(PAGES)
    assert not re.search(r"<style|style\s*=|<script>|\son[a-z]+\s*=|javascript:", parts[""])


def test_every_answer_says_what_a_browser_may_do(pages: Pages) -> None:
    for path, host in (
        ("", None),
        ("page.js", None),
        ("state", None),
        ("no", None),
        ("state", "evil.example"),
    ):
        _, _, headers = fetch(pages.url + path, **({"Host": host} if host else {}))
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert set(policy.split("; ")) >= {
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        }
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"


def test_a_page_is_told_only_what_it_has_not(pages: Pages) -> None:
    address = pages.show(Told(SCENE.rails, SCENE.moments[:4]), Told(SCENE.rails, SCENE.moments[:2]))
    key = address.partition("board=")[2]
    state = json.loads(fetch(f"{pages.url}state?board={key}&since=3,0")[1])
    assert [run["last"] for run in state["runs"]] == [4, 2]
    assert [run["moments"] for run in state["runs"]] == [[SCENE.moments[3]], list(SCENE.moments[:2])] or [
        len(run["moments"]) for run in state["runs"]
    ] == [1, 2]
    assert state["runs"][0]["moments"][0]["at"] == SCENE.moments[3]["at"]
    graph = json.loads(fetch(f"{pages.url}graph?board={key}")[1])
    assert [row["name"] for row in graph["runs"][0]["rails"]["rows"]] == [
        row.name for row in SCENE.rails.rows
    ]


def test_words_that_are_no_numbers_do_no_harm(pages: Pages) -> None:
    pages.show(Told(SCENE.rails, SCENE.moments[:2]))
    for query in ("since=x,-1,99999999999999999999", "board=../../etc", "board=%00", "since=", "run=9"):
        assert fetch(f"{pages.url}state?{query}")[0] == 200
        assert fetch(f"{pages.url}graph?{query}")[0] == 200
        assert fetch(f"{pages.url}stats.json?{query}")[0] in (200, 404)
    assert fetch(f"{pages.url}dump.txt")[0] == 404


def test_a_port_that_is_taken_is_told(pages: Pages) -> None:
    with pytest.raises(OSError, match="in use"):
        serve_boards(pages.boards, int(pages.url.rstrip("/").rpartition(":")[2]))


def test_the_pages_are_the_package_s_files() -> None:
    found = {each.name for each in files("flowload.picture").joinpath("page").iterdir()}
    assert found == set(PAGES)
    assert "$" in RULES
