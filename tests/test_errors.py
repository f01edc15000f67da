"""The kind of mistake decides the exit code."""

import os

import pytest

from veridical import cli
from veridical.cli import cite
from veridical.data.errors import DataError, NoSuchDataError
from veridical.errors import STORAGE, RequestError


@pytest.mark.parametrize(
    ("error", "code"),
    [(RequestError("no such thing."), 2), (NoSuchDataError("no such data."), 2), (DataError("damaged."), 1)],
)
def test_requests_that_must_change_exit_with_2(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(cite, "run", fail)
    assert cli.run(["cite"]) == code
    assert capsys.readouterr().err == f"veridical cite: {error}\n"


@pytest.mark.parametrize("number", sorted(STORAGE))
def test_errors_of_the_disk_are_explained_and_promise_nothing(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: list[str]) -> int:
        raise OSError(number, os.strerror(number), "runs/x")

    monkeypatch.setattr(cite, "run", fail)
    assert cli.run(["cite"]) == 1
    what, remedy = STORAGE[number]
    assert capsys.readouterr().err == f"veridical cite: runs/x: {what}. {remedy}.\n"
