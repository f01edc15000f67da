"""Every measurement and every logged term that the project makes has a name for people."""

import json
import re
from pathlib import Path

import pytest

from veridical.report.words import METRICS, TERMS, metric_words, term_words

ROOT = Path(__file__).parents[2]


def test_every_explained_measurement_says_which_way_is_better_or_what_is_right() -> None:
    for name, words in METRICS.items():
        assert re.search(r"(higher|lower|nearer to 1) is (better|right)|are right|depend on", words.means), name
        assert words.means.endswith(".") and len(words.means) < 330, name


def test_distances_of_features_are_kept_from_published_ones() -> None:
    assert "published" in METRICS["fid"].means and "published" in METRICS["kid"].means


@pytest.mark.parametrize("name", ["fid", "kid", "precision", "recall", "density", "coverage", "memorised", "copied"])
def test_what_a_measurement_cannot_see_is_said(name: str) -> None:
    assert re.search(r"cannot see|can raise|raise it|says little", METRICS[name].means)


def test_titles_are_different_and_no_internal_names() -> None:
    for table in (METRICS, TERMS):
        titles = [words.title for words in table.values()]
        assert len(set(titles)) == len(titles)
        assert not any("_" in title for title in titles)


def test_names_that_are_not_listed_lose_their_underscores() -> None:
    assert metric_words("some_new_thing").title == "some new thing"
    assert term_words("some_new_thing").title == "some new thing"
    assert json.dumps(term_words("penalty_noise").title) == '"noise penalty"'
