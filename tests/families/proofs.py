"""Proofs about a density, for any model that declares the ability; each raises `AssertionError` where it fails.

A model is in float64 and in evaluation mode. Its space decides the proof: all examples are enumerated where there are
at most `ENUMERABLE`, and integrals over one or two continuous components are sums over a grid.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.distributions import MultivariateNormal
from torch.nn.attention import SDPBackend, sdpa_kernel

from veridical.config.families.table import FAMILIES, find_family
from veridical.config.sampling import SamplingOptions
from veridical.data.preprocess import log_det
from veridical.evaluation.density import density_of
from veridical.evaluation.importance import can_be_weighted, importance_bound, log_weights
from veridical.families.autoregressive import Autoregressive
from veridical.model import (
    Classifier,
    Denoiser,
    Dequantised,
    Encoder,
    EnergyBased,
    ExactLikelihood,
    GenerativeModel,
    LatentVariable,
    LikelihoodBound,
    ObservationModel,
    Sampler,
    Space,
    Tempered,
)
from veridical.nn.invertible import Invertible
from veridical.noise import FreshNoise

ENUMERABLE = 2**14
"""Largest number of examples that are enumerated."""

RATE = 1e-4
"""False-alarm rate of every statistical proof, for a fresh seed."""

DRAWS = 3_000
"""Samples of a goodness of fit."""

POINTS = {1: 1601, 2: 161}
"""Points of a grid along each of one or two components."""

PRIOR = 10_000
"""Codes over which the probabilities of a latent-variable model are averaged."""


FEW = 32
"""Largest number of examples for each of which the probability under a latent-variable model is averaged."""


def is_few(space: Space) -> bool:
    return space.levels is not None and space.levels**space.dim <= FEW


def is_discrete(space: Space) -> bool:
    return space.levels is not None and space.levels**space.dim <= ENUMERABLE


def is_small(space: Space) -> bool:
    return space.levels is None and space.dim <= 2


def all_examples(space: Space) -> Tensor:
    """Return (levels^D, *event) all examples of a discrete space."""
    assert space.support is not None and space.levels is not None
    levels = torch.linspace(*space.support, space.levels, dtype=torch.float64).tolist()
    return torch.tensor(list(itertools.product(levels, repeat=space.dim))).reshape(-1, *space.shape)


def nearest_example(x: Tensor, space: Space) -> Tensor:
    """Return the row of each example among `all_examples`.

    Raises:
        AssertionError: a value that is not a level.
    """
    assert space.support is not None and space.levels is not None and space.bin_width is not None
    digit = (x.double().flatten(1) - space.support[0]) / space.bin_width
    level = digit.round()
    assert (digit - level).abs().max() < 1e-4 and level.min() >= 0 and level.max() < space.levels
    return (level.long() * space.levels ** torch.arange(space.dim - 1, -1, -1)).sum(1)


def log_cell(space: Space) -> float:
    """Return what turns nats in data space into log-probabilities of levels: D log delta, and 0 for two levels."""
    return log_det(space) if space.levels != 2 else 0.0


def in_blocks(function: Callable[[Tensor], Tensor], x: Tensor, size: int = 8192) -> Tensor:
    with torch.no_grad():
        return torch.cat([function(block).double() for block in x.split(size)])


def labels(c: int | None, n: int) -> Tensor | None:
    return None if c is None else torch.full((n,), c)


def log_prob_of(model: ExactLikelihood, c: int | None) -> Callable[[Tensor], Tensor]:
    return lambda x: model.log_prob(x, labels(c, len(x)))


def is_exact(model: GenerativeModel) -> bool:
    density = density_of(model) if is_discrete(model.space) else None
    return density is not None and density.exact and isinstance(model, ExactLikelihood)


# Normalisation.


class Normalised(ExactLikelihood, Sampler):
    """A model with an energy, as the density that its log Z makes of it."""

    def __init__(self, model: Tempered) -> None:
        log_z = model.log_partition()
        assert isinstance(model, GenerativeModel) and log_z is not None
        self.model, self.space, self.log_z = model, model.space, log_z

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return -self.model.energy(x) - self.log_z - log_cell(self.space)

    def sample(self, n: int, c: Tensor | None = None, *, noise: Any = None, options: Any = None) -> Tensor:
        assert isinstance(self.model, Sampler)
        return self.model.sample(n, c, noise=noise, options=options)


def the_energy_is_normalised(model: GenerativeModel, c: int | None = None) -> None:
    """Log Z that is summed over one layer makes the energies sum or integrate to 1, and samples follow them."""
    assert isinstance(model, Tempered)
    density: Any = Normalised(model)
    if is_discrete(model.space):
        sums_to_one(density)
        samples_follow_the_probabilities(density)
    else:
        integrates_to_one(density)
        samples_follow_the_density(density)


def grid(space: Space, points: int, reach: float = 6.5) -> tuple[Tensor, Tensor]:
    """Return points (N, *event) of one or two continuous components, and log weights (N,) of their cells.

    The grid is uniform in t with x = mean + std sinh(t): fine where the mass is, and 330 standard deviations wide.
    """
    t = torch.linspace(-reach, reach, points)
    x, weight = space.mean + space.std * t.sinh(), (space.std * t.cosh() * (t[1] - t[0])).log()
    points_, weights = (torch.cartesian_prod(*[axis] * space.dim).reshape(-1, space.dim) for axis in (x, weight))
    return points_.reshape(-1, *space.shape), weights.sum(1)


def sums_to_one(model: GenerativeModel, c: int | None = None) -> None:
    """The probabilities of all examples of a discrete space sum to 1."""
    assert isinstance(model, ExactLikelihood)
    nats = in_blocks(log_prob_of(model, c), all_examples(model.space)) + log_cell(model.space)
    assert nats.exp().sum().item() == pytest.approx(1.0, abs=1e-6)


def integrates_to_one(model: GenerativeModel, c: int | None = None) -> None:
    """The density of one or two continuous components integrates to 1."""
    assert isinstance(model, ExactLikelihood)
    x, weight = grid(model.space, POINTS[model.space.dim])
    assert (in_blocks(log_prob_of(model, c), x) + weight).exp().sum().item() == pytest.approx(1.0, abs=2e-3)


def observations_sum_to_one(model: GenerativeModel) -> None:
    """Given any code, the probabilities of all examples sum to 1, and to at most 1 where noise of one bin is added."""
    totals = observation_totals(model, 16)
    exact = model.space.levels == 2
    assert (totals <= 1 + 1e-6).all() and (not exact or (totals >= 1 - 1e-6).all())


def observation_totals(model: GenerativeModel, codes: int) -> Tensor:
    assert isinstance(model, ObservationModel) and isinstance(model, LatentVariable)
    x, z = all_examples(model.space), 2 * model.prior(codes)
    with torch.no_grad():
        nats = model.log_likelihood(x, z[:, None].expand(codes, len(x), *model.latent_shape))
    return (nats.double() + log_cell(model.space)).exp().sum(1)


def is_normalised(model: GenerativeModel) -> bool:
    """Return whether the observation model gives probabilities of levels, and not densities with noise of one bin."""
    return bool((observation_totals(model, 4) - 1).abs().max() < 1e-6)


def has_weights(model: GenerativeModel) -> bool:
    """Return whether codes of the encoder can be weighted (`evaluation/importance.py`)."""
    return can_be_weighted(model)


def as_any(model: GenerativeModel) -> Any:
    """Return the model, for functions of several abilities at once."""
    return model


def weights_sum_to_one(model: GenerativeModel) -> None:
    """Importance weights estimate the probability of an example without bias, so their sum over all is that of p."""
    assert has_weights(model)
    x = all_examples(model.space)
    with torch.no_grad():
        totals = (log_weights(as_any(model), x, 100) + log_cell(model.space)).exp().sum(0)
    expected = observation_totals_of_the_prior(model)
    spread = math.hypot(*(float(t.std()) / math.sqrt(len(t)) for t in (totals, expected)))
    assert abs(float(totals.mean() - expected.mean())) < errors(1) * spread + 1e-6


def observation_totals_of_the_prior(model: Any) -> Tensor:
    x, z = all_examples(model.space), model.prior(50)
    with torch.no_grad():
        nats = model.log_likelihood(x, z[:, None].expand(len(z), len(x), *model.latent_shape))
    return (nats.double() + log_cell(model.space)).exp().sum(1)


def errors(comparisons: int) -> float:
    """Return how many standard errors a one-sided test of several numbers allows."""
    return float(stats.norm.isf(RATE / comparisons))


# Goodness of fit of samples to the density.


def drawn_options(model: GenerativeModel) -> SamplingOptions | None:
    """Return sampling options that ask for draws, where a family may return means instead; None: its defaults."""
    name = next((name for name, kind in FAMILIES.items() if kind == type(model).__name__), None)
    if name is None:
        return None
    options = find_family(name).sampling()
    has_output = any(field.name == "output" for field in fields(options))
    return replace(options, **{"output": "draw"}) if has_output else options


def draws(model: GenerativeModel, c: int | None, n: int = DRAWS) -> Tensor:
    assert isinstance(model, Sampler)
    with torch.no_grad():
        return model.sample(n, labels(c, n), options=drawn_options(model))


def chi_squared(counts: np.ndarray, expected: np.ndarray, inflation: float = 1.0) -> None:
    """Assert that counts follow their expectations; those below 5 are joined.

    Args:
        counts: observed.
        expected: of the same sum.
        inflation: variance of a count over that of a multinomial one, at most.
    """
    assert abs(expected.sum() - counts.sum()) <= 1e-3 * counts.sum()
    rare = expected < 5
    seen, wanted = (np.append(values[~rare], values[rare].sum()) for values in (counts, expected))
    seen, wanted = (seen, wanted) if wanted[-1] >= 1 else (seen[:-1], wanted[:-1])
    if len(wanted) > 1:
        statistic = float(((seen - wanted) ** 2 / wanted).sum()) / inflation
        assert stats.chi2.sf(statistic, len(wanted) - 1) > RATE


def samples_follow_the_probabilities(model: GenerativeModel, c: int | None = None) -> None:
    """Samples of a discrete space have the probabilities that `log_prob` states."""
    assert isinstance(model, ExactLikelihood)
    space = model.space
    p = (in_blocks(log_prob_of(model, c), all_examples(space)) + log_cell(space)).exp().numpy()
    counts = torch.bincount(nearest_example(draws(model, c), space), minlength=len(p)).numpy()
    chi_squared(counts, DRAWS * p)


def samples_follow_the_density(model: GenerativeModel, c: int | None = None) -> None:
    """Samples of one or two continuous components follow the density: in one Kolmogorov-Smirnov, in two by cells."""
    assert isinstance(model, ExactLikelihood)
    space, x = model.space, draws(model, c).double().flatten(1)
    points, weight = grid(space, POINTS[space.dim])
    mass = (in_blocks(log_prob_of(model, c), points) + weight).exp()
    if space.dim == 1:
        order = points.flatten().numpy()
        below = (mass.cumsum(0) - mass / 2).clamp(0, 1).numpy()
        assert stats.kstest(x.flatten().numpy(), lambda v: np.interp(v, order, below)).pvalue > RATE
        return
    edges = [torch.quantile(x[:, i], torch.linspace(0.1, 0.9, 5, dtype=x.dtype)).contiguous() for i in range(2)]
    axis = points.flatten(1)[:: POINTS[2], 0]
    first, second = (shares(axis, edge) for edge in edges)
    expected = (first.T @ mass.reshape(POINTS[2], POINTS[2]) @ second).flatten()
    counts = torch.bincount(cell_of(x, edges), minlength=36).numpy()
    # The edges come from the samples, which only makes the margins fit better: the rate is at most the stated one.
    chi_squared(counts, DRAWS * (expected / expected.sum()).numpy(), inflation=1.1)


def shares(axis: Tensor, edges: Tensor) -> Tensor:
    """Return (points, bins) the shares of the interval about each point of a grid that lie in each bin."""
    middles = (axis[1:] + axis[:-1]) / 2
    left, right = (torch.cat(ends) for ends in ((axis[:1], middles), (middles, axis[-1:])))
    below = ((edges - left[:, None]) / (right - left)[:, None]).clamp(0, 1)
    return torch.diff(below, prepend=torch.zeros(len(axis), 1), append=torch.ones(len(axis), 1))


def cell_of(x: Tensor, edges: list[Tensor]) -> Tensor:
    i, j = (torch.bucketize(x[:, k].contiguous(), edges[k]) for k in range(2))
    return 6 * i + j


def samples_follow_the_mixture(model: GenerativeModel) -> None:
    """Samples of a latent-variable model have the probabilities of its examples, averaged over codes of the prior."""
    space = model.space
    p = mixture_probabilities(model).numpy()
    counts = torch.bincount(nearest_example(draws(model, None), space), minlength=len(p)).numpy()
    chi_squared(counts, DRAWS * p / p.sum(), inflation=1 + DRAWS / PRIOR)


def mixture_probabilities(model: GenerativeModel) -> Tensor:
    """Return the mean of p(x | z) over codes of the prior, for all x."""
    assert isinstance(model, ObservationModel) and isinstance(model, LatentVariable)
    x, parts = all_examples(model.space), []
    with torch.no_grad():
        for z in model.prior(PRIOR).split(max(1, 80_000 // len(x))):
            nats = model.log_likelihood(x, z[:, None].expand(len(z), len(x), *model.latent_shape))
            parts.append((nats.double() + log_cell(model.space)).exp().sum(0))
    return torch.stack(parts).sum(0) / PRIOR


def observations_follow_their_probabilities(model: GenerativeModel) -> None:
    """Draws given one code have the probabilities of the observation model."""
    assert isinstance(model, ObservationModel) and isinstance(model, LatentVariable)
    x, z = all_examples(model.space), model.prior(1)
    with torch.no_grad():
        nats = model.log_likelihood(x, z[:, None].expand(1, len(x), *model.latent_shape))[0]
        drawn = model.observe(z.expand(DRAWS, *model.latent_shape), FreshNoise(DRAWS))
    p = (nats.double() + log_cell(model.space)).exp().numpy()
    counts = torch.bincount(nearest_example(drawn, model.space), minlength=len(p)).numpy()
    chi_squared(counts, DRAWS * p)


# Bounds.


def bounds_are_below(model: GenerativeModel, log_p: Tensor, x: Tensor, repeats: int = 100) -> None:
    """Check elbo <= bound of 20 codes <= log p for every example, each on average over draws."""
    assert isinstance(model, LikelihoodBound)
    rows = x.repeat_interleave(repeats, 0)
    with torch.no_grad():
        found = [model.elbo(rows)]
        if has_weights(model):
            found.append(importance_bound(as_any(model), rows, 20))
    limit = errors(2 * len(x))
    values = [bound.double().reshape(len(x), repeats) for bound in found]
    for value in values:
        assert (value.mean(1) <= log_p + limit * value.std(1) / math.sqrt(repeats) + 1e-9).all()
    if len(values) > 1:
        mean, spread = [v.mean() for v in values], [v.mean(0).std() / math.sqrt(repeats) for v in values]
        assert mean[0] <= mean[1] + errors(1) * math.hypot(*map(float, spread)) + 1e-9


def bounds_are_below_the_mixture(model: GenerativeModel) -> None:
    """The bounds of every example are below its probability, which is the mean over codes of the prior."""
    x, p = all_examples(model.space), mixture_probabilities(model)
    common = p > 0.2 / len(p)  # the others are rare among the codes, so that their probability is not known well
    assert isinstance(model, LikelihoodBound)
    spread = 0.05  # nats by which the mean over 10,000 codes may err; a fault costs more
    bounds_are_below(model, p[common].log() + spread - log_cell(model.space), x[common])


def affine(model: GenerativeModel) -> tuple[Tensor, Tensor] | None:
    """Return W (D, d) and b (D,) of a decoder x = Wz + b; None where it is not affine."""
    assert isinstance(model, LatentVariable)
    d = math.prod(model.latent_shape)
    z = torch.cat([torch.zeros(1, d), torch.eye(d), torch.randn(8, d)])
    with torch.no_grad():
        b, *rest = model.decode(z.reshape(-1, *model.latent_shape)).double().flatten(1)
    W = torch.stack(rest[:d], 1) - b[:, None]
    return (W, b) if torch.allclose(torch.stack(rest[d:]), z[1 + d :] @ W.T + b, atol=1e-9) else None


def evidence(model: GenerativeModel) -> MultivariateNormal | None:
    """Return p(x) of a model with an affine decoder and a Gaussian likelihood; None: it is not one."""
    found = affine(model)
    if found is None or not isinstance(model, ObservationModel) or not isinstance(model, LatentVariable):
        return None
    W, b = found
    with torch.no_grad():
        peak = model.log_likelihood(b.reshape(1, *model.space.shape), torch.zeros(1, 1, *model.latent_shape))
    variance = math.exp(-2 * float(peak) / len(b)) / (2 * math.pi)
    return MultivariateNormal(b, W @ W.T + variance * torch.eye(len(b)))


def bounds_are_below_the_evidence(model: GenerativeModel) -> None:
    """On a linear Gaussian model elbo <= bound of k codes <= log p, which is known in closed form."""
    exact = evidence(model)
    assert exact is not None and has_weights(model)
    x = exact.sample((8,)).reshape(8, *model.space.shape)
    log_p = exact.log_prob(x.flatten(1))
    bounds_are_below(model, log_p, x)
    with torch.no_grad():
        many = torch.stack([log_weights(as_any(model), x, 2_000) for _ in range(10)]).exp().mean(2) / log_p.exp()
    # The mean of the weights is 1. One side only: where weights are uneven, few draws miss the large ones.
    assert (many.mean(0) - 1 < errors(8) * many.std(0) / math.sqrt(10) * 2 + 1e-6).all()


def bound_is_below_the_cell(model: GenerativeModel) -> None:
    """The bound of a continuous density on levels is below the logarithm of its integral over the cell of a level."""
    assert isinstance(model, ExactLikelihood) and isinstance(model, LikelihoodBound)
    space = model.space
    assert space.bin_width is not None and space.dim <= 2
    x, points = all_examples(space), 11
    offset = (torch.arange(points) + 0.5) / points - 0.5
    inside = space.bin_width * torch.cartesian_prod(*[offset] * space.dim).reshape(-1, 1, *space.shape)
    density = model.log_density if isinstance(model, Dequantised) else log_prob_of(model, None)
    log_p = in_blocks(density, (x + inside).flatten(0, 1)).reshape(len(inside), -1)
    repeats = 100
    with torch.no_grad():
        bound = model.elbo(x.repeat_interleave(repeats, 0)).double().reshape(len(x), repeats)
    cell = log_p.logsumexp(0) - math.log(len(inside))
    assert (bound.mean(1) <= cell + errors(len(x)) * bound.std(1) / math.sqrt(repeats) + 1e-6).all()


# Rows, derivatives.


def rows_are_independent(model: GenerativeModel, x: Tensor, c: Tensor | None = None) -> None:
    """What is computed of a row does not depend on the rows computed with it."""
    for name, function in of_rows(model, x, c).items():
        with torch.no_grad():
            whole = function(slice(None))
            alone = torch.cat([function(slice(row, row + 1)) for row in range(len(x))])
        assert torch.allclose(alone, whole, rtol=1e-9, atol=1e-9), name


def of_rows(model: GenerativeModel, x: Tensor, c: Tensor | None) -> dict[str, Callable[[slice], Tensor]]:
    """Return the functions of rows that a model declares and that draw no numbers."""
    found: dict[str, Callable[[slice], Tensor]] = {}
    if isinstance(model, Dequantised):
        found["log_density"] = lambda part: model.log_density(x[part])
    elif isinstance(model, ExactLikelihood):
        found["log_prob"] = lambda part: model.log_prob(x[part], None if c is None else c[part])
    if isinstance(model, Encoder):
        found["posterior"] = lambda part: model.posterior(x[part]).mean
    if isinstance(model, EnergyBased):
        found["energy"] = lambda part: model.energy(x[part])
    if isinstance(model, Classifier):
        found["classify"] = lambda part: model.classify(x[part])
    if isinstance(model, Denoiser):
        sigma = x.new_full((len(x),), model.noise_range[0] + 0.1 * model.space.std)
        found["denoise"] = lambda part: model.denoise(x[part], sigma[part])
    if isinstance(model, LatentVariable):
        z = model.prior(len(x))
        found["decode"] = lambda part: model.decode(z[part])
    return found


def derivative_of_decode(model: GenerativeModel) -> None:
    """Automatic derivatives of the decoder agree with differences, so that codes can be searched for."""
    assert isinstance(model, LatentVariable)
    z, direction = model.prior(3).double(), torch.randn(3, *model.latent_shape)
    with sdpa_kernel(SDPBackend.MATH):  # fast attention has no second derivatives, by which jvp works
        found = torch.autograd.functional.jvp(model.decode, z, direction)[1]
    step = 1e-6
    with torch.no_grad():
        expected = (model.decode(z + step * direction) - model.decode(z - step * direction)) / (2 * step)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * model.space.std)


# Flows and autoregression.


def layers_are_invertible(model: GenerativeModel, x: Tensor) -> None:
    """Each layer's log-determinant is that of its Jacobian, and its inverse returns inputs that it has not seen."""
    layers = invertible_layers(model, x)
    assert layers
    for layer, (example, *context) in layers.items():
        fresh = (0.6 * example[:2] + 0.4 * example[1:3]).detach()  # within what the layer maps, where that is convex
        given = [None if c is None else c[:2].detach() for c in context]
        layer_is_invertible(lambda v, layer=layer, given=given: layer(v, *given), layer, fresh, given)


def layer_is_invertible(forward: Callable[..., Any], layer: Invertible, x: Tensor, given: Sequence[Any]) -> None:
    with torch.no_grad():
        z, log_det = forward(x)
        forward(x + 1.0)  # whatever a layer keeps, the inverse below is not that of its last input
        back, inverse_log_det = layer.inverse(z, *given)
    torch.testing.assert_close(back, x, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(inverse_log_det + log_det, torch.zeros_like(log_det), rtol=0, atol=1e-6)
    for row in range(len(x)):
        of_row = [None if c is None else c[row : row + 1] for c in given]
        matrix: Any = jacobian(lambda v, of_row=of_row: layer(v[None], *of_row)[0].flatten(), x[row])
        expected = torch.linalg.slogdet(matrix.reshape(x[row].numel(), -1)).logabsdet
        torch.testing.assert_close(log_det[row], expected, rtol=1e-6, atol=1e-6)


def invertible_layers(model: GenerativeModel, x: Tensor) -> dict[Invertible, tuple[Any, ...]]:
    """Return the invertible layers through which examples pass, with their inputs."""
    seen: dict[Invertible, tuple[Any, ...]] = {}

    def note(layer: Any, inputs: tuple[Any, ...], output: Any) -> None:
        seen[layer] = inputs

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, Invertible)]
    with torch.no_grad():
        model.elbo(x) if isinstance(model, LikelihoodBound) else as_any(model).log_prob(x)
    for hook in hooks:
        hook.remove()
    return seen


def sites_see_the_past_alone(model: GenerativeModel) -> None:
    """Changing a site changes the numbers of later sites, some of them at least, and of no other."""
    assert isinstance(model, Autoregressive)
    space, sites = model.space, model.sites
    low, high = space.support or (space.mean - space.std, space.mean + space.std)
    start = model.to_sites(torch.full((1, *space.shape), low))
    for chain in list(model.chains())[:2]:
        changed = start.repeat(sites + 1, 1, 1)
        for position, site in enumerate(chain.order.tolist()):
            changed[position, site] = high
        label = torch.zeros(sites + 1, dtype=torch.long) if model.classes else None
        with torch.no_grad():
            h = chain.conditionals(model.from_sites(changed), label)
        moved = (h[:-1] - h[-1]).abs().amax(-1)[:, chain.order]  # (position of the change, position of the site)
        assert not (moved > 1e-10).tril().any(), "a site sees itself or a later one"
        assert all((moved[i, i + 1 :] > 1e-10).any() for i in range(sites - 1)), "a site is never seen"
