"""The bound of a discriminator: exact logits reach the divergence, any others stay below it."""

import math

import pytest
import torch
from torch import Tensor

from veridical.evaluation.discrimination import fit, measure_discrimination
from veridical.model import Discriminating

CPU = torch.device("cpu")
N = 20_000


class Judge(Discriminating):
    """Logits of x for N(shift, 1) against N(0, 1): log p/q = shift x - shift^2 / 2; bent, or of another scale."""

    def __init__(self, shift: float, scale: float = 1.0, sign: float = 1.0) -> None:
        self.shift, self.scale, self.sign = shift, scale, sign

    def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.sign * self.scale * (self.shift * x[:, 0] - self.shift**2 / 2)


def js(shift: float) -> float:
    """Jensen-Shannon divergence of the two by quadrature, nats."""
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    p, q = (torch.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (shift, 0.0))
    mean = (p + q) / 2
    return float(torch.trapezoid((p * (p / mean).log() + q * (q / mean).log()) / 2, x))


def examples(shift: float) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    return torch.randn(N, 1, generator=random) + shift, torch.randn(N, 1, generator=random)


@pytest.mark.parametrize("scale", [1.0, 0.01, 30.0])
@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_exact_logits_reach_the_divergence_on_any_scale(shift: float, scale: float) -> None:
    real, fake = examples(shift)
    (m,) = measure_discrimination(Judge(shift, scale), (real, None), (fake, None), CPU)
    low, high = m.interval or (0.0, 0.0)
    error = (high - low) / (2 * 1.96)
    assert abs(m.value - js(shift)) < 5 * error and error < 0.01  # false alarm: 6e-7
    assert m.verdict == "short of perfect" and m.bound == "lower"


def test_logits_of_the_wrong_sign_do_no_harm_and_others_stay_below() -> None:
    real, fake = examples(1.0)
    (wrong,) = measure_discrimination(Judge(1.0, sign=-1.0), (real, None), (fake, None), CPU)
    assert wrong.value == pytest.approx(js(1.0), abs=0.02)  # the fitted slope turns them round

    class Blind(Judge):
        def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
            return (3 * x[:, 0]).sin()

    (blind,) = measure_discrimination(Blind(1.0), (real, None), (fake, None), CPU)
    low, _ = blind.interval or (0.0, 0.0)
    assert low < js(1.0)


def test_equal_laws_are_undecided_and_never_praised() -> None:
    """At most 3 of 40 runs may show a divergence that is not there; 0.025 * 40 = 1 is expected, 4 or more 2 %."""
    alarms = 0
    for seed in range(40):
        random = torch.Generator().manual_seed(seed)
        real, fake = (torch.randn(400, 1, generator=random) for _ in range(2))
        (m,) = measure_discrimination(Judge(1.0), (real, None), (fake, None), CPU)
        assert m.verdict in ("undecided", "short of perfect") and m.value >= 0
        alarms += m.verdict == "short of perfect"
    assert alarms <= 3


def test_fitting_on_the_half_that_is_measured_would_be_found() -> None:
    """The mutant: slope and intercept of the measured half itself make noise look like a divergence, on average."""
    gains = []
    for seed in range(60):
        random = torch.Generator().manual_seed(seed)
        real, fake = (torch.randn(20, generator=random, dtype=torch.float64) for _ in range(2))
        slope, intercept = fit(real, fake)
        gain = [torch.nn.functional.logsigmoid(s * (slope * t + intercept)).mean() for s, t in ((1, real), (-1, fake))]
        gains.append(math.log(2) + float(sum(gain)) / 2)
    assert sum(gains) / len(gains) > 0.005 and min(gains) > -1e-6


def test_constant_logits_say_nothing() -> None:
    real, fake = examples(1.0)
    (m,) = measure_discrimination(Judge(0.0), (real, None), (fake, None), CPU)
    assert m.value == pytest.approx(0.0, abs=1e-6) and m.verdict == "undecided"
