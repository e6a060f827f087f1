"""The README is one page, and its set-up is what CI does. Its code is executed by tests/docs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Lines of the shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_it_is_one_page() -> None:
    assert README.count("\n") <= 200


def test_the_set_up_of_the_readme_is_what_ci_does() -> None:
    run, test = (line for line in commands() if line.startswith("python"))
    assert run.endswith(" && pip install -c constraints.txt -e . && flowload run pipelines/chess.py")
    steps = test.split(" && ")
    assert steps[0] == "python3 -m venv .venv"
    script = (ROOT / ".ci" / "run").read_text()
    install, check = steps[2:]
    assert f"\n{install} || exit 1\n" in script
    assert f'\nstep "tests" {check} --hammers "$hammers"\n' in script
    assert 'step "command" flowload run pipelines/chess.py\n' in script


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for names in extras.values() for name in names)]
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    names = [re.split(r"[<>=!~\[; ]", name)[0] for name in wanted]
    assert [name for name in names if name not in pins and name != "flowload"] == []
    exact = re.compile(r"[\d.]+(post\d+)?(; python_version [<>=]+ \"[\d.]+\")?")
    assert [version for version in pins.values() if not exact.fullmatch(version)] == []
