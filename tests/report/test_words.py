"""Every measurement and every logged term that the project makes has a name for people."""

import json
import re

import pytest
from tests.families.test_contract import SPACES, build, examples, fulfils

from veridical.families import FAMILIES
from veridical.report.words import METRICS, TERMS, metric_words, term_words
from veridical.workflows import probe


def test_every_explained_measurement_says_which_way_is_better_or_what_is_right() -> None:
    for name, words in METRICS.items():
        assert re.search(
            r"(higher|lower|closer to (1|that of real examples)) is (better|right)|for a perfect model|depend on",
            words.means,
        ), name
        assert words.means.endswith(".") and len(words.means) < 330, name


def test_distances_of_features_are_kept_from_published_ones() -> None:
    assert "published" in METRICS["fid"].means and "published" in METRICS["kid"].means


@pytest.mark.parametrize("name", ["fid", "kid", "precision", "recall", "density", "coverage", "memorised", "copied"])
def test_what_a_measurement_cannot_see_is_said(name: str) -> None:
    assert re.search(r"does not d|can raise|raise it|hardly depends|even if they differ", METRICS[name].means)


def test_titles_are_different_and_no_internal_names() -> None:
    for table in (METRICS, TERMS):
        titles = [words.title for words in table.values()]
        assert len(set(titles)) == len(titles)
        assert not any("_" in title for title in titles)


def test_names_that_are_not_listed_lose_their_underscores() -> None:
    assert metric_words("some_new_thing").title == "some new thing"
    assert term_words("some_new_thing").title == "some new thing"
    assert json.dumps(term_words("penalty_noise").title) == '"noise penalty"'


@pytest.mark.parametrize("family", FAMILIES)
def test_every_term_of_a_family_has_a_name(family: str) -> None:
    space = next(space for name, space in SPACES.items() if fulfils(family, name))
    model = build(family, space)
    for player in model.players:
        for term in model.loss(examples(space), player=player, step=0).terms:
            assert term in TERMS or re.fullmatch(r"(penalty|information)_.+", term), term


def test_every_term_of_probes_and_steps_has_a_name() -> None:
    """The terms that `workflows.probe` documents, and the movement of the weights."""
    probed = re.findall(r"probe/(\w+)", probe.__doc__ or "")
    assert len(probed) >= 11 and {*probed, "update", "sigma_max", "grad_norm", "lr"} <= TERMS.keys()
