"""Likelihoods against a constant model, held-out examples, the entropy, and the average of the weights."""

from typing import Any

import numpy as np
import pytest
from tests.health.rows import feed

from veridical.health import Finding
from veridical.health.likelihood import (
    AgainstConstant,
    AverageWorse,
    BetterThanEntropy,
    DenoisingError,
    LostChains,
    Overfit,
    Underfit,
)


def names(found: list[Finding]) -> list[str]:
    return [finding.name for finding in found]


def against(nats: list[float], kl: float = 1.0) -> list[Finding]:
    monitor = AgainstConstant(constant=10.0, steps=50 * len(nats))
    return feed(monitor, reconstruction=[n - kl for n in nats], posterior_kl=[kl] * len(nats))


def test_a_code_of_195_000_nats_is_worse_than_a_constant() -> None:
    (found,) = against([195_000.0] * 30, kl=194_000.0)
    assert found.name == "worse-than-constant" and "195,000 nats" in found.message.replace("1.95e+05", "195,000")
    assert "194,000" in found.message.replace("1.94e+05", "194,000") and "large" in found.cause


def test_as_good_as_a_constant_has_learned_nothing() -> None:
    assert names(against([10.05] * 30)) == ["learns-nothing"]
    assert against([9.0] * 30) == []


def test_a_falling_loss_is_given_three_fifths_of_the_run() -> None:
    falling = [100.0 - 3 * i for i in range(30)]
    (found,) = against(falling)
    assert found.step >= 0.6 * 1500 and "still falling" in found.cause
    assert against([100.0 - 10 * i for i in range(10)] + [5.0] * 20) == []


def lost(nats: list[float], error: float = 0.1) -> list[str]:
    return names(feed(LostChains(10.0), probe__nats_held_out=nats, probe__nats_error=[error] * len(nats)))


def test_chains_that_are_lost_leave_a_machine_worse_than_a_constant() -> None:
    assert lost([10.0, 7.0, 5.0, 12.0, 20.0]) == ["worse-than-constant"]
    assert lost([10.0, 7.0, 5.0, 12.0, 6.0]) == []  # one probe alone
    assert lost([10.0, 10.3, 10.2, 10.3]) == [] and lost([11.0] * 4, error=0.3) == []  # four errors are no difference


def overfit(there: list[float], here: list[float]) -> list[Finding]:
    return feed(Overfit(10.0), probe__nats_held_out=there, probe__nats_train=here, probe__nats_error=[0.1] * len(here))


def test_held_out_examples_get_worse_while_training_examples_get_better() -> None:
    (found,) = overfit([5.0, 3.0, 4.0, 5.0, 6.0], [5.0, 2.5, 2.0, 1.5, 1.0])
    assert found.step == 200 and "needed 3 at best" in found.message
    assert overfit([5.0, 3.0, 3.1, 3.05, 3.1], [5.0, 2.9, 2.8, 2.7, 2.6]) == []
    assert overfit([5.0, 3.0, 4.0, 5.0, 6.0], [5.0, 3.0, 4.0, 5.0, 6.0]) == []  # a training that diverges


def test_a_run_that_ends_too_early() -> None:
    def ends(nats: list[float]) -> list[str]:
        return names(feed(Underfit(50 * len(nats)), nats=nats))

    assert ends([50.0 - i for i in range(40)]) == ["likelihood-underfit"]
    assert ends([50.0 * 0.7**i for i in range(40)]) == []


def test_the_noise_of_the_rows_is_no_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likelihoods of batches in 200 runs that stand still: 3 alarms; 103 when noise counted as a gain."""

    def alarms() -> int:
        rows = 5.0 + 0.2 * np.random.default_rng(0).standard_normal((200, 50))
        return sum(bool(feed(Underfit(2_500), nats=list(map(float, nats)))) for nats in rows)

    assert alarms() <= 6
    monkeypatch.setattr(Underfit.__init__, "__defaults__", (0.15, 0.0))
    assert alarms() >= 60


@pytest.mark.parametrize(("excess", "reported"), [(0.3, 0), (-0.3, 0), (-1.0, 1)])
def test_no_model_beats_the_entropy(excess: float, reported: int) -> None:
    found = feed(BetterThanEntropy(), probe__excess=[excess] * 5, probe__excess_error=[0.1] * 5)
    assert len(found) == reported


def test_an_average_that_reaches_too_far_back() -> None:
    def late(average: list[float], live: list[float]) -> list[str]:
        return names(feed(AverageWorse(1000, None), probe__energy_average=average, probe__energy_live=live))

    assert late([0.2] * 20, [0.02] * 20) == ["average-worse"]
    assert late([0.2] * 13 + [0.02] * 7, [0.02] * 20) == []  # it lags behind at first
    assert late([0.02] * 20, [0.2] * 20) == []
    nats: dict[str, Any] = {
        "probe__average_excess": [1.0] * 20,
        "probe__average_error": [0.1] * 20,
        "probe__nats_held_out": [5.0] * 20,
    }
    (found,) = feed(AverageWorse(1000, 10.0), **nats)
    assert "by 1 nats" in found.message
    assert feed(AverageWorse(1000, 100.0), **nats) == []  # 1 nat of 95 gained


def test_denoising_worse_than_by_nothing() -> None:
    assert names(feed(DenoisingError(), denoising_error=[2.0] * 20)) == ["worse-than-constant"]
    assert feed(DenoisingError(), denoising_error=[1.0] * 20) == []
