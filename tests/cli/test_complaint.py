from __future__ import annotations

import json

import pytest

from flowload.cli.complaint import complain, status_of
from flowload.errors import (
    DataError,
    GraphError,
    LedgerError,
    NoDataError,
    OptionError,
    TooManyErrors,
    UserCodeError,
)


def raised(error: BaseException, *notes: str) -> BaseException:
    for note in notes:
        error.add_note(note)
    try:
        raise error
    except type(error) as caught:
        return caught


def test_bad_data_is_told_with_its_place_and_its_stage() -> None:
    error = raised(DataError("bad gzip", where="a.tar: b.gz", found="x", wanted="y"), "in stage 'unpack'")
    assert complain(error) == "flowload: a.tar: b.gz: bad gzip; found x; wanted y\n  in stage 'unpack'"


def test_a_mistake_in_the_asking_is_one_line_unless_more_is_asked_for() -> None:
    error = raised(NoDataError("no files", where="games"), "in stage 'discover'")
    assert complain(error) == "flowload: games: no files"
    assert complain(error, verbose=True).startswith(
        "flowload: games: no files\n  in stage 'discover'\n\nTrace"
    )


def test_an_error_of_other_code_has_its_type_and_its_notes_once() -> None:
    error = raised(KeyError("x"), "in stage 'map'")
    assert complain(error).splitlines()[:2] == ["flowload: KeyError: 'x'", "  in stage 'map'"]
    assert complain(error).count("in stage") == 1


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_users_line_that_failed_is_shown_with_a_hint(wrapped: bool) -> None:
    error: BaseException = raised(KeyError("x"))
    if wrapped:
        error, error.__cause__ = UserCodeError("a call ended with it"), error
    *_, line, hint = complain(error).splitlines()
    assert line == f"  at {__file__}:{raised.__code__.co_firstlineno + 4}: raise error"
    assert hint == "  -v shows the traceback"
    assert complain(error, hint=False).endswith(line)
    told = complain(error, verbose=True)
    assert line in told
    assert hint not in told


def test_an_error_that_no_code_of_the_users_raised_has_no_line_of_theirs() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    error = caught.value
    error.__traceback__ = None if caught.tb.tb_next is None else caught.tb.tb_next  # without this file
    assert " at " not in complain(error)
    assert "-v" not in complain(error)


def test_an_error_without_words_has_its_name() -> None:
    assert complain(raised(LedgerError())) == "flowload: LedgerError"


def test_only_when_asked_for_there_is_a_traceback() -> None:
    error = raised(ValueError("boom"))
    assert "Traceback" not in complain(error)
    told = complain(error, verbose=True)
    assert told.startswith("flowload: ValueError: boom\n  at ")
    assert "raise error\n\nTraceback" in told
    assert "in raised" in told


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (GraphError("x"), 2),
        (OptionError("x"), 2),
        (NoDataError("no files", where="x"), 2),
        (DataError("bad", where="x"), 1),
        (TooManyErrors("bad", where="x"), 1),
        (LedgerError("x"), 1),
        (ValueError("x"), 1),
        (OSError("x"), 1),
    ],
)
def test_the_status_tells_mistakes_in_the_asking_from_runs_that_failed(error: Exception, status: int) -> None:
    assert status_of(error) == status
