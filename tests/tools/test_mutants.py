"""The tool that plants bugs: which, where, that they are gone afterwards, and who is said to survive."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.mutants.command import ROOT, belonging, choose, mutants, try_all
from tools.mutants.copy import copied
from tools.mutants.sites import planted, sites

CODE = '''"""A module's words: 1 < 2."""

from __future__ import annotations

__all__ = ["steps"]

MOST = 7


def steps(count: int = 3, *, up: bool = True) -> list[int]:
    """Numbers from 0: 1 + 1."""
    assert count < 100
    made: list[int] = []
    while len(made) < count and up:  # é: columns are counted in bytes
        made.append("é" and len(made) + 1)
    if not up:
        raise ValueError(f"down: {1 + 1}")
    return list(reversed(made))
'''
TESTS = """
from package.code import steps

def test_steps():
    assert steps(3) == [3, 2, 1]
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of pytest that are started here need no plugin, and importing all takes most of their time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def told(source: str) -> list[str]:
    return [site.what for site in sites(source)]


def test_bugs_are_in_code_that_does_something_and_nowhere_else() -> None:
    assert sorted(told(CODE)) == sorted(
        [
            "3 -> 4",
            "True -> False",
            "len(made) < count and up -> False",
            "len(made) < count -> len(made) <= count",
            "len(made) < count and up -> len(made) < count or up",
            "made.append('é' and len(made) + 1) -> pass",
            "made.append('é' and len(made) + 1) -> made.appendleft('é' and len(made) + 1)",
            "'é' and len(made) + 1 -> 'é' or len(made) + 1",
            "len(made) + 1 -> len(made) - 1",
            "1 -> 2",
            "not up -> False",
            "not up -> True",
            "not up -> up",
            "list(reversed(made)) -> reversed(made)",
            "reversed(made) -> made",
        ]
    )


@pytest.mark.parametrize(
    ("code", "bugs"),
    [
        ("x.y = 1", ["1 -> 2", "x.y = 1 -> pass"]),
        ("x = a is None", ["a is None -> a is not None"]),
        ("x = a < b <= c", ["a < b <= c -> a <= b <= c", "a < b <= c -> a < b < c"]),
        ("x = max(a, b)", ["max(a, b) -> min(a, b)"]),
        ("x = q.popleft()", ["q.popleft() -> q.pop()"]),
        ("n -= 2", ["2 -> 3", "n -= 2 -> n += 2", "n -= 2 -> pass"]),
        ("for x in y:\n    continue", ["continue -> pass"]),
        ("log.warning('told %d', 3)", []),
        ("x = 'text' + str(y)", []),
        ("raise ValueError(1 + 1)", []),
        ("WORDS, SECONDS = 8, 0.005", []),
        ("class A:\n    x: int = 3", ["3 -> 4"]),
    ],
)
def test_each_kind_of_bug(code: str, bugs: list[str]) -> None:
    assert sorted(told(code)) == sorted(bugs)


def test_a_planted_file_is_the_file_but_for_the_bug() -> None:
    for site in sites(CODE):
        source = planted(CODE, site)
        ast.parse(source)
        assert source != CODE
        assert source.splitlines()[: site.line - 1] == CODE.splitlines()[: site.line - 1]
        behind = len(CODE.splitlines()) - site.end_line
        assert source.splitlines()[len(source.splitlines()) - behind :] == CODE.splitlines()[site.end_line :]
    one = next(site for site in sites(CODE) if site.what == "len(made) + 1 -> len(made) - 1")
    assert 'made.append("é" and (len(made) - 1))' in planted(CODE, one)


def test_a_file_of_ours_can_be_read_with_any_bug() -> None:
    for path in sorted((ROOT / "flowload" / "runtime").glob("f*.py")):
        source = path.read_text("utf-8")
        for site in sites(source):
            ast.parse(planted(source, site))


def test_the_seed_chooses(tmp_path: Path) -> None:
    root = tree(tmp_path)
    one, two, other = (choose(root, ["package"], 4, seed) for seed in (0, 0, 1))
    assert one == two != other
    assert len(one) == 4
    assert one == sorted(one, key=lambda pair: (pair[0], pair[1].where, pair[1].text))
    assert len(choose(root, ["package"], 1000, 0)) == len(sites(CODE))


def tree(folder: Path) -> Path:
    """A package of one module, and its tests."""
    (folder / "package").mkdir()
    (folder / "tests").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "code.py").write_text(CODE)
    (folder / "tests" / "test_code.py").write_text(TESTS)
    return folder


@pytest.mark.slow
def test_who_survives_is_said_and_nothing_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path)
    before = sorted((path, path.read_bytes()) for path in root.rglob("*.py"))
    wanted = "3 -> 4", "reversed(made) -> made"  # nobody calls it without a number
    chosen = [("package/code.py", site) for site in sites(CODE) if site.what in wanted]
    with copied(root) as copy:
        assert try_all(copy, chosen, ()) == 1
        assert try_all(copy, chosen[1:], ()) == 0
    assert capsys.readouterr().out.splitlines() == [
        "SURVIVED  package/code.py:10  3 -> 4",
        "killed    package/code.py:18  reversed(made) -> made",
        "1 of 2 survived",
        "killed    package/code.py:18  reversed(made) -> made",
        "0 of 1 survived",
    ]
    assert before == sorted((path, path.read_bytes()) for path in root.rglob("*.py"))


@pytest.mark.slow
def test_a_loop_without_end_is_noticed(tmp_path: Path) -> None:
    root = tree(tmp_path)
    endless = next(site for site in sites(CODE) if site.what.endswith(" -> pass"))
    with copied(root) as copy:
        assert copy.passes(["tests"], 60) == "SURVIVED"
        assert copy.try_one("package/code.py", endless, ["tests"], 1) == "timeout"
        assert (copy.root / "package" / "code.py").read_text() == CODE
        folder = copy.root
    assert not folder.exists()


@pytest.mark.slow
def test_tests_that_fail_without_a_bug_are_said(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / "tests" / "test_code.py").write_text("def test():\n    assert 0")
    done = CliRunner().invoke(mutants, ["package", "--root", str(root)], standalone_mode=False)
    assert done.return_value == 2
    assert "the tests fail without any bug: tests/test_code.py tests" in done.output


def test_tests_that_belong() -> None:
    assert belonging(ROOT, "flowload/runtime/channel.py") == (
        "tests/runtime/test_channel.py",
        "tests/runtime",
    )
    assert belonging(ROOT, "flowload/runtime/faces/wakeup.py")[0] == "tests/runtime/faces/test_wakeup.py"


def test_bugs_are_listed_by_the_command() -> None:
    command = [sys.executable, "tools/mutants", "flowload/runtime/faces/handoff.py", "--count", "3", "--list"]
    made = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert len(made.splitlines()) == 3
    assert all(line.startswith("flowload/runtime/faces/handoff.py:") for line in made.splitlines())
