r"""log Z of a model with an energy: a sum where it is one, otherwise annealed importance sampling.

**Forward.** Chains go from a density of known $Z_0$ to the model's (`mcmc/annealing.py`), and the mean of their
weights estimates $Z/Z_0$ without bias. So $\log\hat Z$ is at most $\log Z$ in expectation, and
$\log\hat p = -E - \log\hat Z$ at least $\log p$: too few temperatures flatter the model. The temperatures lie closer
where the density changes faster, as chains found that are then forgotten.

**Backward.** Chains that start at an example and go back give $\hat p(x) = e^{-E(x)} / (Z_0 w)$ with

$$ \operatorname E \hat p(x) = p_{\text{ann}}(x), \qquad \operatorname E \log\hat p(x) \le \log p_{\text{ann}}(x), $$

the probability with which the forward chains end at x (reverse AIS, with the weights of Upadhya & Sastry, not those as
printed first). Where the states of the chains are hidden units s, chains go back from an $s \sim q(\cdot|x)$ and
$f(x, s) / q(s|x)$ takes the place of $e^{-E(x)}$: then $p_\text{ann}$ is the probability that x is drawn from the last
state. It is a bound of these chains' likelihood and not of the model's: $p_\text{ann}$ approaches p as
temperatures are added, but both have the sum 1, so that some examples are more probable under the chains. On examples
drawn from the model the mean is below that of $\log p$ all the same, by $\mathrm{KL}(p\|p_\text{ann})$ and the scatter
of the weights; on data it is so only as far as the two laws agree there. Two sides that meet are evidence, no proof.

**Refused.** Weights that are not finite, or of which fewer than `FEWEST` count, are no estimate, and a quadratic form
without a finite integral has no log Z: these are reasons and not numbers.

References:
    Neal, Annealed Importance Sampling (2001). https://arxiv.org/abs/physics/9803008
    Salakhutdinov & Murray, On the Quantitative Analysis of Deep Belief Networks (2008).
        https://doi.org/10.1145/1390156.1390266
    Burda, Grosse & Salakhutdinov, Accurate and Conservative Estimates of MRF Log-likelihood using Reverse Annealing
        (2015). https://arxiv.org/abs/1412.8566
    Upadhya & Sastry, Empirical Analysis of Sampling Based Estimators for Evaluating RBMs (2015), Eq. 10.
        https://arxiv.org/abs/1510.02255
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

import torch
from torch import Tensor

from veridical.data.preprocess import to_data_space
from veridical.data.space import Space
from veridical.evaluation import partition
from veridical.evaluation.measurement import JSON
from veridical.mcmc.annealing import combine, combined_error, effective_size, even_ladder, weigh
from veridical.mcmc.bipartite import UnnormalisableError
from veridical.mcmc.energy_paths import Normal, Sites
from veridical.mcmc.path import Path
from veridical.model import EnergyBased, Tempered
from veridical.noise import FreshNoise

FEWEST = 5.0
"""Chains that must count, of all, for an estimate."""


@final
@dataclass(frozen=True)
class Effort:
    """How much work is done."""

    chains: int = 100
    """Chains, forward."""

    temperatures: int = 2_000
    """Temperatures of a model that has a path of its own."""

    sweeps: int = 200
    """Temperatures of other models, whose steps cost many energies."""

    pilots: int = 20
    """Chains that find where temperatures are needed."""


EFFORT = Effort()
"""The effort of an evaluation."""


@final
@dataclass(frozen=True)
class LogZ:
    """log Z of an energy."""

    value: float
    """Nats."""

    found_by: Literal["summation", "enumeration", "annealing"]
    """How it was found."""

    standard_error: float = 0.0
    """Nats; 0 where it is a sum."""

    facts: Mapping[str, JSON] = field(default_factory=dict)
    """What is stated of an estimate."""

    below: Callable[[Tensor], Tensor] | None = None
    """(B, *event) → (B,) nats by chains that go back from the examples: in expectation at most the log probability with
    which chains end there, which is not the model's (module docstring); None: log Z is a sum."""

    @property
    def exact(self) -> bool:
        """Whether it is a sum."""
        return self.below is None


class UnknownLogZError(ValueError):
    """log Z cannot be found; the message is the reason."""


def log_z(model: EnergyBased, space: Space, device: torch.device, effort: Effort = EFFORT, seed: int = 0) -> LogZ:
    """Return log Z of a model's energy in its space.

    Args:
        model: with an energy.
        space: of the examples.
        device: of the model.
        effort: how much work an estimate may be.
        seed: of its chains.

    Raises:
        UnknownLogZError: there is none, or it cannot be estimated.
    """
    try:
        exact = model.log_partition() if isinstance(model, Tempered) else None
        if exact is not None:
            return LogZ(exact, "summation")
        if partition.why_not(space) is None and not model.energy_is_bound:
            return LogZ(partition.log_partition(model, space, device).value, "enumeration")
        return annealed(model, space, device, effort, seed)
    except UnnormalisableError as error:
        raise UnknownLogZError(str(error)) from error


def annealed(model: EnergyBased, space: Space, device: torch.device, effort: Effort, seed: int) -> LogZ:
    """Estimate log Z along a path of the model's own, or one that its energy alone admits.

    Args:
        model: with an energy.
        space: of the examples.
        device: of the model.
        effort: how much work it may be.
        seed: of the chains.

    Raises:
        UnknownLogZError: the weights are no estimate.
    """
    random = torch.Generator().manual_seed(seed)
    path: Path[Any] = model.path() if isinstance(model, Tempered) else path_of(model, space, device)
    _require_finite(path.log_f(path.start(FreshNoise(effort.pilots, device, random)), 1.0), "energies of the start")
    if isinstance(path, Normal):
        path.tune(FreshNoise(effort.pilots, device, random))
    steps = effort.temperatures if isinstance(model, Tempered) else effort.sweeps
    betas = even_ladder(path, steps, FreshNoise(effort.pilots, device, random), pilots=min(100, steps))
    log_w, _ = weigh(path, betas, FreshNoise(effort.chains, device, random))
    effective = _counted(log_w)
    value, error = path.log_z0 + float(combine(log_w)), float(combined_error(log_w))
    facts: dict[str, JSON] = {
        "log_z": value,
        "log_z_error": error,
        "chains": effort.chains,
        "effective_chains": effective,
        "temperatures": steps,
    }

    def below(x: Tensor) -> Tensor:
        noise = FreshNoise(len(x), x.device)
        units, log_f = model.ends(x, noise) if isinstance(model, Tempered) else (x.flatten(1), -model.energy(x))
        back, _ = weigh(path, betas, noise, path.at(units), backward=True)
        return log_f.double() - path.log_z0 - back

    return LogZ(value, "annealing", error, facts, below)


def _counted(log_w: Tensor) -> float:
    """Return how many chains count.

    Raises:
        UnknownLogZError: too few do.
    """
    _require_finite(log_w, "annealed weights")
    effective = float(effective_size(log_w))
    if effective < FEWEST:
        raise UnknownLogZError(
            f"of {len(log_w)} annealed weights only {effective:.1f} count, fewer than {FEWEST:.0f}; with more "
            "temperatures they might, unless the energy has no finite sum or integral"
        )
    return effective


def _require_finite(nats: Tensor, what: str) -> None:
    wrong = int((~nats.isfinite()).sum())
    if wrong:
        raise UnknownLogZError(
            f"{wrong} of {len(nats)} {what} are not finite; the energy may have no finite sum or integral"
        )


def path_of(model: EnergyBased, space: Space, device: torch.device) -> Path[Any]:
    """Return the path that the energy alone admits."""
    shape = space.shape

    def energy(x: Tensor) -> Tensor:
        return model.energy(x.reshape(-1, *shape))

    if space.levels is None:
        return Normal(energy, space.mean, space.std, space.dim)
    return Sites(energy, to_data_space(torch.arange(space.levels), space).to(device), space.dim)
