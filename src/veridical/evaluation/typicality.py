r"""How probable samples are under the law of the data: the exact number that every sampler can be given.

$$ \text{cross\_entropy} = -\mathrm E_q \log p(x) = H(q) + \mathrm{KL}(q\|p) $$

of samples of a model $q$ under the law $p$. A perfect model scores the entropy of the law, and the same number of draws
of the law scatters about it within the reference interval. Above it, samples lie where the law has little mass. Below
it, they are more typical than the law and lack variety, like a frozen lattice or modes that are too narrow. A value
equal to the entropy does not prove equality, since the two effects can cancel; the other metrics are needed too.
"""

import math
import time
from statistics import NormalDist

from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.intervals import mean_or_none, standard_error
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.target import Target
from veridical.statistics import Estimate
from veridical.targets.law import HasEntropy
from veridical.verdict import TOLERANCES, Test, detectable


def measure_typicality(samples: Float[Tensor, "n *event"], target: Target, seed: int) -> list[Measurement]:
    """Measure cross_entropy (module docstring).

    Args:
        samples: of a model, in data space.
        target: the law, whose density and entropy are known.
        seed: of the draws of the law that give the reference its interval.

    Raises:
        ValueError: the entropy of the law is not known.
    """
    began, n = time.perf_counter(), len(samples)
    if not isinstance(target.law, HasEntropy):
        raise ValueError(f"{target.name} has no known entropy; leave this metric out.")
    surprise = -target.log_prob(samples)
    entropy, spread = target.law.entropy(), -target.log_prob(target.sample(n, seed + 1))
    if target.space.levels not in (None, 2):  # a density of noisy levels
        entropy = entropy._replace(value=entropy.value + target.log_bin)
    error = math.hypot(standard_error(spread), entropy.standard_error)
    half = 1.96 * error
    return [
        Measurement(
            "cross_entropy",
            float(surprise.mean()),
            "nats",
            n,
            higher_is_better=False,
            interval=mean_or_none(surprise),
            method="Student",
            reference=entropy.value,
            reference_kind="null",
            reference_interval=(entropy.value - half, entropy.value + half),
            seconds=time.perf_counter() - began,
            test=_test(surprise, entropy, error),
            detail={"law": repr(target.law), "entropy_is_exact": entropy.standard_error == 0},
        )
    ]


def _test(surprise: Float[Tensor, " n"], entropy: Estimate, error: float) -> Test:
    """Test whether the mean is the entropy, with the scatter of as many draws of the law.

    The interval of the difference has the scatter of the samples.
    """
    difference, interval = float(surprise.mean()) - entropy.value, mean_or_none(surprise, entropy.standard_error)
    if interval is not None:
        interval = (interval[0] - entropy.value, interval[1] - entropy.value)
    p = 2 * NormalDist().cdf(-abs(difference) / error) if error > 0 else float(abs(difference) < 1e-9)
    method = "z-test with the scatter of draws of the law"
    return Test(difference, interval, p, detectable(error), TOLERANCES["nats"], method)
