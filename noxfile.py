"""The five commands of a day: `nox -s quick`, `tests`, `lint`, `docs`, `bench`.

Words behind `--` go on to the tool. The commands use the environment that nox runs in, set up as
CONTRIBUTING.md says. `.ci/run` makes one from nothing.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["quick", "lint"]


@nox.session
def quick(session: nox.Session) -> None:
    """The tests of the inner loop: less than a minute."""
    session.run("pytest", "-m", "quick", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, or those that are named: `nox -s tests -- tests/stages`."""
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, and who imports whom."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, strictly, and the code of its pages; `nox -s docs -- serve` shows it while you write."""
    if session.posargs:
        session.run("mkdocs", *session.posargs)
        return
    session.run("pytest", "tests/docs")
    session.run("mkdocs", "build", "--strict")


@nox.session
def bench(session: nox.Session) -> None:
    """A benchmark: `nox -s bench -- chess`."""
    session.run("python", "tools/bench", *(session.posargs or ["--help"]))
