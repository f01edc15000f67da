"""Known answers on synthetic rows: what each monitor must say, and what it must not."""

import math
import re
from dataclasses import fields

import pytest

from veridical.config import DataConfig, GANConfig, TrainingConfig, VAEConfig
from veridical.families import FAMILIES
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.health import (
    Finding,
    GradientExplosion,
    GradientVanishing,
    LossDivergence,
    LossRunaway,
    ModeCollapse,
    Monitor,
    Monitors,
    NonFinite,
    PosteriorCollapse,
    SampleCollapse,
    Saturation,
    check,
    monitors_for,
)
from veridical.model import GenerativeModel

LOG_2 = math.log(2)


def feed(monitor: Monitor, every: int = 50, **terms: list) -> list[Finding]:
    """Feed columns of values as rows; player__term names a term, kind a term of declared kind, None leaves it out."""
    found = []
    for i, values in enumerate(zip(*terms.values(), strict=True), start=1):
        row = {"step": i * every, "seconds": 0.1 * i}
        row |= {n.replace("__", "/"): v for n, v in zip(terms, values, strict=True) if v is not None}
        found.append(monitor.observe(row))
    return [finding for finding in found if finding is not None]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nonfinite_names_step_player_and_term(value: float) -> None:
    (found,) = feed(NonFinite(), model__loss=[1.0, 1.0, value, value], model__kl=[1.0, 1.0, 2.0, value])
    assert (found.step, found.severity, found.name) == (150, "error", "non-finite")
    assert "loss of player model is" in found.message and "step 150" in found.message


def test_nonfinite_names_the_other_terms_and_counts() -> None:
    (found,) = feed(NonFinite(), generator__loss=[math.nan], generator__grad_norm=[math.inf])
    assert "so are generator/grad_norm" in found.message
    (found,) = feed(NonFinite(), nonfinite=[0, 3])
    assert "3 steps had values that are not finite" in found.message
    assert feed(NonFinite(), nonfinite=[0, 0], model__loss=[1.0, None]) == []


def test_saturation_at_log_2() -> None:
    js = [0.3] * 4 + [0.69] * 20
    (found,) = feed(Saturation(), divergence=js, accuracy=[0.8] * 4 + [1.0] * 20)
    assert found.step == 450  # five rows from step 250, 200 steps later
    assert "since step 250" in found.message and "0.690 of at most log 2 = 0.693" in found.message


@pytest.mark.parametrize(
    ("js", "accuracy"),
    [([0.5] * 40, [0.95] * 40), ([0.69] * 40, [0.9] * 40), ([0.69, 0.69, 0.69, 0.5] * 10, [1.0] * 40)],
    ids=["strong but not saturated", "confident but often wrong", "in bursts"],
)
def test_saturation_is_silent(js: list[float], accuracy: list[float]) -> None:
    assert feed(Saturation(), divergence=js, accuracy=accuracy) == []


def test_saturation_lasts_in_steps_not_in_rows() -> None:
    first = feed(Saturation(), every=1, divergence=[0.69] * 100)
    assert first == []  # 100 steps: the head start of every discriminator
    assert len(feed(Saturation(), every=1, divergence=[0.69] * 300)) == 1


def test_gradient_vanishing_against_its_early_median() -> None:
    norms = [5.0] + [1.0] * 10 + [0.009] * 15
    (found,) = feed(GradientVanishing("generator"), generator__grad_norm=norms, divergence=[0.65] * 26)
    assert "0.009" in found.message and "9.0e-03 of the 1" in found.message
    above = [5.0] + [1.0] * 10 + [0.02] * 15
    assert feed(GradientVanishing("generator"), generator__grad_norm=above, divergence=[0.65] * 26) == []


def test_gradient_vanishing_at_equilibrium_is_no_sickness() -> None:
    norms = [5.0] + [1.0] * 10 + [1e-4] * 15
    assert feed(GradientVanishing("generator"), generator__grad_norm=norms, divergence=[0.01] * 26) == []


def test_gradient_explosion_by_jump_and_by_growth() -> None:
    jump = [1.0] * 15 + [40.0] * 5
    (found,) = feed(GradientExplosion("model"), model__grad_norm=jump)
    assert found.step == 900 and "since step 800" in found.message
    slow = [1.15**i for i in range(80)]  # 1.15^20 = 16 per window: no jump, but a thousandfold in the end
    (found,) = feed(GradientExplosion("model"), model__grad_norm=slow)
    assert found.step / 50 > math.log(1000) / math.log(1.15)


@pytest.mark.parametrize(
    "norms",
    [[100.0] + [1.0] * 30, [1.0] * 20 + [500.0] + [1.0] * 20, [10.0] * 12 + [1e-3] * 30 + [0.5] * 9],
    ids=["a steep first row", "one bad row", "back to normal after a quiet time"],
)
def test_gradient_explosion_is_silent(norms: list[float]) -> None:
    assert feed(GradientExplosion("model"), model__grad_norm=norms) == []


def test_explosion_remedy_speaks_of_the_discriminator_only_in_a_gan() -> None:
    (model,) = feed(GradientExplosion("model"), model__grad_norm=[1.0] * 15 + [40.0] * 5)
    (generator,) = feed(GradientExplosion("generator", game=True), generator__grad_norm=[1.0] * 15 + [40.0] * 5)
    assert "--r1" not in model.remedy and "--r1" in generator.remedy


def test_sample_collapse_far_below_the_diversity_of_the_data() -> None:
    (found,) = feed(SampleCollapse(), diversity=[0.9] * 5 + [0.02] * 20)
    assert found.step == 800 and "2.0% of that between two examples" in found.message
    assert feed(SampleCollapse(), diversity=[0.9] * 5 + [0.3] * 40) == []
    assert feed(SampleCollapse(), diversity=[0.01] * 8 + [0.8] * 40) == []  # an untrained generator


def modes(crowding: list, coverage: list, energy: list) -> list[Finding]:
    return feed(
        ModeCollapse(),
        crowding=crowding,
        coverage=coverage,
        energy_distance=energy,
    )


def test_mode_collapse_where_samples_meet_too_often_and_leave_data_out() -> None:
    (found,) = modes([0.6] * 20 + [2.0] * 30, [0.3] * 10 + [0.9] * 10 + [0.3] * 30, [0.1] * 50)
    # Levels are medians of five rows: they follow at row 23, of step 1150, and four rows later it is certain.
    assert found.step == 1350 and found.severity == "warning"
    assert "since step 1150: 30% of the examples" in found.message and "2 times as often" in found.message


def test_mode_collapse_where_samples_have_left_the_data() -> None:
    (found,) = modes([0.1] * 30, [0.0] * 30, [5.0] * 30)
    assert found.step == 650  # five rows from the ninth on
    assert "energy distance is 5 of the width" in found.message
    assert modes([0.8] * 30, [0.1] * 30, [0.2] * 30) and not modes([0.8] * 30, [0.4] * 30, [0.2] * 30)


@pytest.mark.parametrize(
    ("crowding", "coverage", "energy"),
    [
        ([2.0] * 60, [0.8] * 60, [0.0] * 60),
        ([0.8] * 60, [0.1] * 60, [0.1] * 60),
        ([2.0] * 7 + [0.5] * 53, [0.2] * 60, [9.0] * 7 + [0.1] * 53),
        ([0.6, 0.6, 3.0] * 20, [0.2] * 60, [0.1] * 60),
        ([None] * 60, [0.2] * 60, [5.0] * 60),
    ],
    ids=["smoother than the data", "imprecise", "an untrained generator", "now and then", "not measured"],
)
def test_mode_collapse_is_silent(crowding: list, coverage: list, energy: list) -> None:
    assert modes(crowding, coverage, energy) == []


def test_mode_collapse_takes_no_notice_of_rows_without_its_terms() -> None:
    (found,) = modes(*([value for _ in range(30) for value in (level, None)] for level in (2.0, 0.3, 0.1)))
    assert found.step == 50 * (2 * 13 - 1)  # the thirteenth row that says anything


def test_posterior_collapse_by_units_or_by_kl() -> None:
    n = 20
    (by_both,) = feed(PosteriorCollapse(), posterior_kl=[0.01] * n, active_units=[0.0] * n)
    assert by_both.step == 550 and by_both.severity == "error"  # 500 steps after the first row
    assert "the KL of the posterior to the prior is 0.01 nats and the number of active units is 0" in by_both.message
    assert len(feed(PosteriorCollapse(), posterior_kl=[0.01] * n)) == 1
    assert len(feed(PosteriorCollapse(), active_units=[0.2] * n)) == 1


def test_posterior_collapse_waits_for_a_code_that_is_being_learned() -> None:
    kl = [0.02] * 8 + [1.0, 5.0, 12.0] + [15.0] * 20
    active = [0.0] * 8 + [1.0, 4.0, 9.0] + [12.0] * 20
    assert feed(PosteriorCollapse(), posterior_kl=kl, active_units=active) == []


def test_one_active_unit_is_enough_where_the_data_have_one_dimension() -> None:
    assert feed(PosteriorCollapse(), posterior_kl=[3.0] * 30, active_units=[1.0] * 30) == []


def test_loss_divergence_of_a_negative_loss() -> None:
    loss = [100.0 - 20.0 * min(i, 10) for i in range(20)] + [40.0] * 10  # 100 -> -100 -> 40
    (found,) = feed(LossDivergence("model"), model__loss=loss)
    assert "40 after a best of -100; it started at 100" in found.message
    shallow = [*loss[:20], *[-40.0] * 10]  # lost 60 of 200
    assert feed(LossDivergence("model"), model__loss=shallow) == []


def test_noise_is_no_divergence() -> None:
    wiggle = [1.0 + 0.3 * (-1) ** i for i in range(60)]
    assert feed(LossDivergence("model"), model__loss=wiggle) == []
    assert feed(LossDivergence("model"), model__loss=[1.0 + 0.01 * i for i in range(60)]) == []  # never gained anything


def test_loss_runaway_in_a_game() -> None:
    assert len(feed(LossRunaway("generator"), generator__loss=[0.7] * 12 + [-500.0] * 10)) == 1
    assert feed(LossRunaway("generator"), generator__loss=[0.7] * 12 + [15.0] * 30) == []
    assert len(feed(LossRunaway("generator"), generator__loss=[2000.0] * 12 + [-20000.0] * 10)) == 1


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


def test_every_flag_in_a_remedy_is_a_field_of_the_configuration() -> None:
    sick = {"discriminator/js": 0.69, "model/kl": 0.0, "discriminator/crowding": 4.0, "discriminator/coverage": 0.2}
    sick["discriminator/energy"] = 1.0
    remedies: dict[str, str] = {}
    monitors = Monitors({**GAN.term_kinds, **VAE.term_kinds})
    for i in range(60):
        shot = 0.7 if i < 30 else 1e6 if i % 2 else 2e6
        grows = {"generator/loss": shot, "model/grad_norm": shot, "generator/grad_norm": 1.0 if i < 30 else 1e-9}
        row = {"step": 50 * i, "model/loss": 9.0 if i in (0, *range(30, 60)) else 0.0, **sick, **grows}
        remedies |= {found.name: found.remedy + found.cause for found in monitors.judge(row)}
    assert set(remedies) >= {
        "discriminator-saturation",
        "gradient-explosion",
        "gradient-vanishing",
        "posterior-collapse",
        "loss-divergence",
        "mode-collapse",
    }
    known = {f.name for config in (GANConfig, VAEConfig, TrainingConfig, DataConfig) for f in fields(config)}
    named = {flag for text in remedies.values() for flag in re.findall(r"--([a-z0-9-]+)", text)}
    assert {flag.replace("-", "_") for flag in named} <= known
    assert {"r1", "relativistic", "kl-weight", "lr-scale", "clip-norm"} <= named
