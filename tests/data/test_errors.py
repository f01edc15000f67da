"""Errors of data: a problem and its remedy in one sentence, and which of them are wrong requests."""

from veridical.data.errors import DataError, NoSuchDataError, NoTestSplitError
from veridical.errors import RequestError


def test_a_problem_and_its_remedy_are_joined_and_kept_apart() -> None:
    error = DataError("size is 0; expected 1.", "Pass 8.")
    assert str(error) == "size is 0; expected 1. Pass 8."
    assert (error.problem, error.remedy) == ("size is 0; expected 1.", "Pass 8.")
    assert str(DataError("size is 0.")) == "size is 0."


def test_only_a_missing_set_is_a_wrong_request() -> None:
    assert isinstance(NoSuchDataError("x"), RequestError) and isinstance(NoSuchDataError("x"), ValueError)
    assert not isinstance(DataError("x"), RequestError) and not isinstance(NoTestSplitError("x"), RequestError)
