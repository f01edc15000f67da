r"""The likelihood of any decoder by annealing: a code is moved from the prior to its posterior.

With an observation model $p(x \mid z)$ a decoder is a density, $p(x) = \int \mathcal N(z; 0, I)\, p(x \mid z)\,dz$,
no matter how it was trained. Annealed importance sampling (`mcmc/annealing.py`) estimates $\log p(x)$ from below. Where
the example was drawn from the model, its code is an exact draw of the posterior, and the same path run backward
estimates it from above: the gap between the two is measured on such simulated examples and tells how far the estimates
on real ones may be off (bidirectional Monte Carlo).

The observation model is the model's own, or Gaussian noise (`evaluation/decoder.py`); its scale is stated with the
number and is part of what is measured. If none is given it is fitted to training examples by a few rounds of
expectation maximisation, $\sigma^2 = \mathbb E\,\lVert x - G(z)\rVert^2/D$ over posterior codes.

Transitions are Hamiltonian steps, whose sizes come from chains of their own and are then fixed.

References:
    Wu, Burda, Salakhutdinov & Grosse, On the Quantitative Analysis of Decoder-Based Generative Models (2017).
        https://arxiv.org/abs/1611.04273
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.space import Space
from veridical.evaluation.decoder import Decoder, simulate, why_not
from veridical.evaluation.intervals import against_law, mean_nats
from veridical.evaluation.measurement import JSON, Measurement
from veridical.mcmc import hamiltonian
from veridical.mcmc.annealing import anneal, combine, combined_error, schedule
from veridical.model import GenerativeModel, LatentVariable, ObservationModel
from veridical.noise import FreshNoise

_RATE = 0.2
"""How fast a step follows its acceptance, per temperature."""


@dataclass(frozen=True)
class Annealing:
    """How much work is done."""

    examples: int = 16
    """Held-out examples, and as many simulated ones."""

    chains: int = 4
    """Chains of every example."""

    steps: int = 500
    """Temperatures between prior and posterior."""

    leaps: int = 3
    """Decodes at every temperature, each with its gradient."""

    rounds: int = 3
    """Rounds of fitting the scale of the noise, where there is no observation model."""


@dataclass(frozen=True)
class Annealed:
    """Estimates of log p(x) in nats, example by example."""

    nats: Float[Tensor, " B"]
    errors: Float[Tensor, " B"]
    """Standard errors of the estimates, from the scatter of the chains."""

    acceptance: float
    """Share of accepted steps."""

    codes: Float[Tensor, "chains B *latent"]
    """Where the chains ended: forward, close to draws of the posterior."""


def annealed(
    decoder: Decoder,
    x: Float[Tensor, "B *event"],
    settings: Annealing,
    seed: int,
    ends: Float[Tensor, "B *latent"] | None = None,
) -> Annealed:
    """Estimate log p(x) from below, or from above where exact draws of the posterior are given.

    Args:
        decoder: with an observation model.
        x: examples.
        settings: chains, temperatures, leaps.
        seed: of the chains; those that find the step sizes have another.
        ends: one exact draw of the posterior for every example; None: chains start from the prior.
    """
    betas = schedule(settings.steps)
    sizes = _step_sizes(decoder, x, betas, settings, seed + 1)
    chains = settings.chains
    random = torch.Generator().manual_seed(seed)
    shape, noise = decoder.model.latent_shape, FreshNoise(chains * len(x), x.device, random)
    u = noise.normal(*shape) if ends is None else ends.repeat(chains, *[1] * len(shape))
    of_rows = _by_row(decoder, x, chains)
    accepted = 0.0

    def transition(state: hamiltonian.State, t: int) -> hamiltonian.State:
        nonlocal accepted
        step = sizes[t].repeat(chains)
        state, moved = hamiltonian.hamiltonian_step(
            of_rows, state, float(betas[t]), step, leaps=settings.leaps, noise=noise
        )
        accepted += float(moved.double().mean()) / settings.steps
        return state

    log_w, last = anneal(lambda s: s.log_l, transition, hamiltonian.start(of_rows, u), betas, backward=ends is not None)
    log_w, codes = log_w.reshape(chains, -1), last.u.reshape(chains, len(x), *shape)
    nats = combine(log_w, backward=ends is not None)
    return Annealed(nats.cpu(), combined_error(log_w if ends is None else -log_w).cpu(), accepted, codes)


def _by_row(decoder: Decoder, x: Tensor, chains: int) -> Callable[[Tensor], Tensor]:
    def log_likelihood(u: Tensor) -> Tensor:
        return decoder.log_likelihood(x, u.reshape(chains, len(x), *u.shape[1:])).flatten()

    return log_likelihood


def _step_sizes(
    decoder: Decoder, x: Tensor, betas: Tensor, settings: Annealing, seed: int
) -> Float[Tensor, "steps+1 B"]:
    """Find the step of every example at every temperature with two chains of their own, which adapt as they go."""
    chains, most = 2, hamiltonian.largest_step(settings.leaps)
    of_rows = _by_row(decoder, x, chains)
    noise = FreshNoise(chains * len(x), x.device, torch.Generator().manual_seed(seed))
    state = hamiltonian.start(of_rows, noise.normal(*decoder.model.latent_shape))
    sizes = torch.full((len(betas), len(x)), most, device=x.device)
    for t in range(1, len(betas)):
        state, moved = hamiltonian.hamiltonian_step(
            of_rows, state, float(betas[t]), sizes[t].repeat(chains), leaps=settings.leaps, noise=noise
        )
        share = moved.reshape(chains, -1).float().mean(0)
        if t + 1 < len(betas):
            sizes[t + 1] = (sizes[t] * torch.exp(_RATE * (share - hamiltonian.BEST_ACCEPTANCE))).clamp(max=most)
    return sizes


def fitted_scale(
    model: LatentVariable, space: Space, x: Float[Tensor, "B *event"], settings: Annealing, seed: int
) -> float:
    """Return the scale of the noise that fits a decoder to examples, by expectation maximisation.

    Args:
        model: the decoder.
        space: of the examples.
        x: training examples.
        settings: a quarter of their temperatures and half of their chains are used in each round.
        seed: of the chains.
    """
    sigma, level = space.std, (space.bin_width or 0.0) ** 2 / 12
    few = replace(settings, steps=max(1, settings.steps // 4), chains=max(1, settings.chains // 2))
    for i in range(settings.rounds):
        decoder = Decoder(model, space, sigma)
        codes = annealed(decoder, x, few, seed + i).codes
        with torch.no_grad():
            residual = decoder.decoded(decoder.codes(codes)).double() - x.double().flatten(1)
        sigma = math.sqrt(float(residual.square().mean()) + level)
    return sigma


def measure_annealed(
    model: GenerativeModel,
    train: Float[Tensor, "B *event"],
    test: Float[Tensor, "B *event"],
    space: Space,
    seed: int,
    *,
    settings: Annealing = Annealing(),
    sigma: float | None = None,
    log_prob: Callable[[Tensor], Tensor] | None = None,
) -> list[Measurement]:
    """Measure annealed_nats, from below, and annealing_gap, how far that may be off.

    Args:
        model: a decoder.
        train: training examples, to which the scale of the noise is fitted where there is no observation model.
        test: held-out examples that are measured.
        space: of the examples.
        seed: of everything random.
        settings: how much work is done.
        sigma: scale of the noise; None: fitted.
        log_prob: of the law of the data, nats; None: not known.

    Raises:
        ValueError: the model cannot be annealed.
    """
    began = time.perf_counter()
    decoder = _decoder(model, train, space, settings, seed, sigma)
    found = annealed(decoder, test.to(model.device), settings, seed)
    u, x = simulate(decoder, model, len(test), seed + 2)
    below, above = (annealed(decoder, x, settings, seed + 4, ends).nats for ends in (None, u))
    noise = "the model's own" if decoder.sigma is None else f"Gaussian noise of sigma {decoder.sigma:.4g}"
    detail: dict[str, JSON] = {
        "observation_model": noise,
        "sigma": decoder.sigma,
        "chains": settings.chains,
        "temperatures": settings.steps,
        "leaps": settings.leaps,
        "acceptance": found.acceptance,
        "error_of_chains": float(found.errors.mean()),
        "simulated_below": float(below.mean()),
        "simulated_above": float(above.mean()),
    }
    seconds = (time.perf_counter() - began) / 2
    nats = mean_nats("annealed_nats", found.nats, seconds, "lower", detail)
    gap = mean_nats("annealing_gap", above - below, seconds, None, detail, higher_is_better=False)
    return [nats if log_prob is None else against_law(nats, found.nats, log_prob(test)), gap]


def _decoder(
    model: GenerativeModel, train: Tensor, space: Space, settings: Annealing, seed: int, sigma: float | None
) -> Decoder:
    """Return the model with its own observation model, or with noise of a scale that is given or fitted."""
    reason = why_not(model, space)
    if reason is not None or not isinstance(model, LatentVariable):
        raise ValueError(f"{reason}; leave this metric out.")
    if isinstance(model, ObservationModel):
        return Decoder(model, space)
    if sigma is None:
        sigma = fitted_scale(model, space, train.to(model.device), settings, seed)
    return Decoder(model, space, sigma)
