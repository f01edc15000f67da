"""Known answers on synthetic rows: what each monitor must say, and what it must not."""

import math

import pytest
from tests.health.rows import feed

from veridical.families import FAMILIES
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.health import (
    GradientExplosion,
    GradientVanishing,
    LossDivergence,
    LossRunaway,
    NonFinite,
    PosteriorCollapse,
    Saturation,
    check,
    monitors_for,
)
from veridical.model import GenerativeModel

LOG_2 = math.log(2)


def test_state_in_the_middle_changes_nothing() -> None:
    loss = [100.0 - 20.0 * min(i, 10) for i in range(20)] + [40.0] * 10
    for cut in (0, 3, 12, 22):
        first, second = LossDivergence("model"), LossDivergence("model")
        found = feed(first, model__loss=loss[:cut])
        second.load(first.state())
        assert len(found + feed(second, model__loss=loss[cut:])) == 1


def test_monitors_follow_the_terms() -> None:
    terms = ["discriminator/js", "discriminator/loss", "generator/loss", "generator/grad_norm", "step"]
    gan = monitors_for(terms, GAN.term_kinds)
    assert {name: type(monitor) for name, monitor in gan.items()} == {
        "nonfinite": NonFinite,
        "saturation": Saturation,
        "loss:discriminator": LossRunaway,
        "explosion:generator": GradientExplosion,
        "vanishing:generator": GradientVanishing,
        "loss:generator": LossRunaway,
    }
    vae = monitors_for(["model/loss", "model/kl"], VAE.term_kinds)
    assert {name: type(monitor) for name, monitor in vae.items()} == {
        "nonfinite": NonFinite,
        "loss:model": LossDivergence,
        "collapse": PosteriorCollapse,
    }


def falls_and_rises(kinds: dict[str, str]) -> list[str]:
    """A loss that falls to -100 nats and rises again, and a KL of 0.01 nats."""
    loss = [100.0 - 20.0 * min(i, 10) for i in range(20)] + [40.0] * 20
    rows = [{"step": 50 * i, "model/loss": v, "model/kl": 0.01} for i, v in enumerate(loss)]
    return [finding.name for finding in check(rows, kinds)]


def test_names_alone_mean_nothing() -> None:
    """Contrastive divergence may rise, and a KL to a known density should be 0: neither is a VAE's term."""
    assert falls_and_rises({}) == []
    assert falls_and_rises({"model/loss": "objective"}) == ["loss-divergence"]
    assert falls_and_rises({"model/kl": "posterior_kl"}) == ["posterior-collapse"]


def test_a_large_objective_is_no_game_out_of_bounds() -> None:
    rows = [{"step": 50 * i, "model/loss": 36_000.0 - i} for i in range(40)]  # nats of an image of 64x64 in colour
    assert check(rows, {"model/loss": "objective"}) == []
    assert check(rows, {"model/loss": "discriminator_loss"}) != []


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"names the kinds loss; expected some of objective"):
        check([], {"model/loss": "loss"})


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_family_declares_kinds_of_its_own_players(family: type[GenerativeModel]) -> None:
    check([], family.term_kinds)
    assert {term.partition("/")[0] for term in family.term_kinds} <= set(family.players)
