r"""Lower bounds of the divergence from a law of known density, for a generator of which only samples are known.

For any function T, with both expectations over draws (Donsker & Varadhan 1983),

$$ \mathrm{KL}(q\|p) \;\ge\; \mathrm E_q T - \log \mathrm E_p e^T, $$

with equality at $T = \log q/p + c$: the law $p$, tilted by $e^T$, is then the model $q$. T is fitted on one half of the
samples and measured on the other, and the two halves then change places, so that the bound holds whatever the fit is
worth. A fit that finds nothing gives a bound of 0 or a little less.

T is the logit of a logistic regression of samples against draws of the law, on bounded features: $\log p$ and its
square, the nearest mode or, where the law has none, the nearest of 32 draws, and coordinates and their squares in units
of the law. How many of these three groups are used is decided on the half that is fitted, by Akaike's criterion. So a
wrong mean, width or temperature, and wrong weights of modes or regions, are seen; dependences of other kinds may be
missed. The bound can therefore show a fault and never its absence.

Samples where the law has no mass are infinitely far from it.

References:
    Donsker & Varadhan, Asymptotic Evaluation of Certain Markov Process Expectations for Large Time, IV (1983).
    Nguyen, Wainwright & Jordan, Estimating Divergence Functionals and the Likelihood Ratio by Convex Risk Minimization
        (2010). https://arxiv.org/abs/0809.0853
"""

import math
import time
from collections.abc import Callable
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.measurement import Measurement
from veridical.evaluation.target import Target
from veridical.statistics import Estimate
from veridical.targets.law import HasModes
from veridical.verdict import Test, detectable

ANCHORS = 32
"""Draws of the law whose neighbourhoods are regions, where it has no modes."""

PROJECTIONS = 128
"""Random directions that stand for the coordinates of larger examples."""

MOST_MODES = 128
_CLIP, _CLIP_SURPRISE = 4.0, 6.0
_RIDGE, _ROUNDS = 1.0, 25

Features = Callable[[Tensor], list[Tensor]]
"""(n, *event) → groups (n, k_1), (n, k_2), ..., of which the first few are used."""


def measure_tilting(
    samples: Float[Tensor, "n *event"], target: Target, seed: int, *, forward: bool = True
) -> list[Measurement]:
    """Measure lower bounds of kl_forward, KL(data||model), and kl_reverse, KL(model||data).

    Args:
        samples: of a model, in data space.
        target: the law, whose density is known.
        seed: of the draws of the law and of the halves.
        forward: measure kl_forward too; otherwise it is known in another way.

    Returns:
        Divergences in nats, each a lower bound; the samples are halved at random.
    """
    began = time.perf_counter()
    samples = samples[torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))].double()
    x = target.sample(2 * len(samples), seed + 2).double()
    bounds = divergences(samples, x, features_of(target, x))
    if not bool(target.log_prob(samples).isfinite().all()):
        bounds["kl_reverse"] = Estimate(math.inf, 0.0)
    seconds = (time.perf_counter() - began) / 2
    names = ("kl_forward", "kl_reverse") if forward else ("kl_reverse",)
    return [_measurement(name, bounds[name], len(samples), seconds, repr(target.law)) for name in names]


def divergences(q: Float[Tensor, "n *event"], p: Float[Tensor, "m *event"], features: Features) -> dict[str, Estimate]:
    """Return the bounds of both divergences of q and p, cross-fitted on two halves.

    Args:
        q: samples of a model, in random order.
        p: draws of the law.
        features: of examples, in groups.
    """
    groups_q, groups_p = features(q), features(p)
    sizes = [group.shape[1] for group in groups_q]
    phi_q, phi_p = (torch.cat(groups, 1).tensor_split(2) for groups in (groups_q, groups_p))
    found: dict[str, list[Estimate]] = {"kl_forward": [], "kl_reverse": []}
    for fit, held in ((0, 1), (1, 0)):
        w = best_logit(phi_q[fit], phi_p[fit], sizes)
        T_q, T_p = (phi[held][:, : len(w)] @ w for phi in (phi_q, phi_p))
        found["kl_reverse"].append(tilted(T_q, T_p))
        found["kl_forward"].append(tilted(-T_p, -T_q))
    return {name: _average(halves) for name, halves in found.items()}


def tilted(T_q: Float[Tensor, " n"], T_p: Float[Tensor, " m"]) -> Estimate:
    r"""Return $\mathrm E_q T - \log \mathrm E_p e^T$ of draws, with its standard error by the delta method.

    Examples:
        >>> tilted(torch.zeros(3), torch.zeros(5)).value
        0.0
    """
    n, m = len(T_q), len(T_p)
    log_mean = torch.logsumexp(T_p, 0) - math.log(m)
    weights = torch.exp(T_p - log_mean)  # of mean 1
    error = math.sqrt(float(T_q.var() / n + weights.var() / m))
    return Estimate(float(T_q.mean() - log_mean), error)


def best_logit(phi_q: Float[Tensor, "n k"], phi_p: Float[Tensor, "m k"], sizes: list[int]) -> Float[Tensor, " j"]:
    """Return the logit of the first groups of features whose bound is largest, less one part in n per feature.

    Args:
        phi_q: features of samples.
        phi_p: features of draws.
        sizes: of the groups, in the order of the columns.
    """
    best, chosen = -math.inf, phi_q.new_zeros(1)
    for k in torch.tensor(sizes).cumsum(0).tolist():
        w = fitted_logit(phi_q[:, :k], phi_p[:, :k])
        bound = tilted(phi_q[:, :k] @ w, phi_p[:, :k] @ w).value - k / len(phi_q)
        best, chosen = (bound, w) if bound > best else (best, chosen)
    return chosen


def fitted_logit(phi_q: Float[Tensor, "n k"], phi_p: Float[Tensor, "m k"]) -> Float[Tensor, " k"]:
    """Return the weights of a logistic regression of q against p, both counted as equally many, by Newton's method.

    A ridge on the weights, worth one example of each feature's unit, keeps them finite where q and p do not meet.
    """
    phi, label = torch.cat([phi_q, phi_p]), torch.cat([torch.ones(len(phi_q)), torch.zeros(len(phi_p))]).double()
    share = torch.cat([torch.full((len(f),), len(phi_q) / len(f)) for f in (phi_q, phi_p)]).double()
    w, ridge = phi.new_zeros(phi.shape[1]), _RIDGE * torch.eye(phi.shape[1], dtype=phi.dtype)
    ridge[0, 0] = 1e-6  # the constant
    for _ in range(_ROUNDS):
        probability = torch.sigmoid(phi @ w)
        gradient = phi.T @ (share * (probability - label)) + ridge @ w
        curvature = phi.T @ ((share * probability * (1 - probability)).clamp(min=1e-9)[:, None] * phi) + ridge
        move = torch.linalg.solve(curvature, gradient)
        w = w - move * min(1.0, 5.0 / float(move.norm().clamp(min=1e-12)))
        if float(move.norm()) < 1e-6:
            break
    return w


def features_of(target: Target, draws: Float[Tensor, "m *event"]) -> Features:
    """Return the bounded features that a law suggests (module docstring), in units of its draws.

    Args:
        target: the law.
        draws: of it, from which centres and units are taken.
    """
    flat = draws.flatten(1)
    directions = _directions(flat.shape[1])
    centre, unit = (flat @ directions).mean(0), (flat @ directions).std(0).clamp(min=1e-9)
    log_p = target.log_prob(draws)
    middle, spread = float(log_p.mean()), max(float(log_p.std()), 1e-9)
    law = target.law
    has_modes = isinstance(law, HasModes) and len(law.modes) <= MOST_MODES
    anchors = law.modes.double() if has_modes and isinstance(law, HasModes) else flat[:ANCHORS]

    def features(x: Tensor) -> list[Tensor]:
        x_flat = x.double().flatten(1)
        along = ((x_flat @ directions - centre) / unit).clamp(-_CLIP, _CLIP)
        typical = ((target.log_prob(x) - middle) / spread).clamp(-_CLIP_SURPRISE, _CLIP_SURPRISE)[:, None]
        region = torch.nn.functional.one_hot(torch.cdist(x_flat, anchors).argmin(1), len(anchors)).double()
        first = torch.cat([torch.ones_like(typical), typical, typical.square()], dim=1)
        return [first, region, torch.cat([along, along.square()], dim=1)]

    return features


def _directions(dim: int) -> Float[Tensor, "dim k"]:
    if dim <= PROJECTIONS:
        return torch.eye(dim, dtype=torch.float64)
    random = torch.randn(dim, PROJECTIONS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(random).Q


def _average(halves: list[Estimate]) -> Estimate:
    value = sum(half.value for half in halves) / len(halves)
    return Estimate(value, math.hypot(*(half.standard_error for half in halves)) / len(halves))


def _measurement(name: str, bound: Estimate, n: int, seconds: float, law: str) -> Measurement:
    value, error = bound
    interval = None if math.isinf(value) else (value - 1.96 * error, value + 1.96 * error)
    p = 2 * NormalDist().cdf(-abs(value) / error) if error > 0 else float(value == 0)
    test = Test(value, interval, p, detectable(error), None, "z-test of a cross-fitted bound")
    return Measurement(
        name,
        value,
        "nats",
        n,
        higher_is_better=False,
        interval=interval,
        method="delta method, two halves",
        reference=0.0,
        reference_kind="floor",
        seconds=seconds,
        bound="lower",
        detail={"law": law, "source": "tilted law (Donsker and Varadhan)", "standard_error": error},
        test=test,
    )
