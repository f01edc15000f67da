r"""The common base of autoregressive models: an order, a head, and every way to sample.

**Model.** An example is cut into *sites*, single components or pixels with all their channels. In an order $\pi$ of the
sites,

$$ p(x) = \prod_{i=1}^{S} p\big(x_{\pi(i)} \mid x_{\pi(1)}, \dots, x_{\pi(i-1)}\big), $$

and a network returns for all sites at once the numbers from which the head (`nn/heads.py`) makes the factors.
A family states three things: `order`, `conditionals`, in which the numbers of a site depend on the sites before it
alone, and if it is `Cached`, `steps`, which computes the numbers of one site after another from what it has kept.

A model may have several factorisations with shared weights (`chains`): p(x) is then the mean of their *probabilities*.
The mean of their logits is no logarithm of a normalised distribution (the test is $\log\frac1M\sum_m p_m \ge
\frac1M\sum_m\log p_m$, which logits violate). Labels act in the same way: without a label, p(x) is the mean of
p(x | c) over the classes, which is what `sample` draws from.

**Sampling.** With one uniform number for every draw, $x_i = F_i^{-1}(u_i \mid x_{<i})$ is a triangular system of
equations, and there are three ways to solve it:

- *cached*: in order, keeping what earlier sites have contributed;
- *naive*: in order, with the whole network for every site; slow, and the oracle for the others;
- *jacobi*: all sites at once from the last values of all, repeated until nothing changes. After t sweeps at least the
  first t sites are final, so that S sweeps always suffice; mostly far fewer do.

All three give the same sample up to rounding, and the log-probability that they add up is that of `log_prob`.

**Missing components.** Where the known sites come first in the order, the rest is drawn from its exact conditional
distribution (`complete`), whose logarithm is the sum of the last factors (`log_prob_missing`). In a mixture of several
chains or classes each is weighted with its probability of the known sites.

**Units.** Nats in data space: the log probability of data of two levels; for more levels the density of the levels with
uniform noise of one bin, $\log P - D\log\delta$.

References:
    Larochelle & Murray, The Neural Autoregressive Distribution Estimator (2011).
        https://proceedings.mlr.press/v15/larochelle11a.html
    Uria, Murray & Larochelle, A Deep and Tractable Density Estimator (2014), on ensembles of orders.
        https://arxiv.org/abs/1310.1757
    Song, Meng, Liao & Ermon, Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving (2021).
        https://arxiv.org/abs/2002.03629
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from veridical.config.families.autoregressive import AutoregressiveSampling
from veridical.config.sampling import SamplingOptions, options_of
from veridical.data.refuse import refuse_between_levels
from veridical.kinds import TermKind
from veridical.model import (
    Batch,
    Completer,
    Conditional,
    ExactLikelihood,
    Facts,
    GenerativeModel,
    Loss,
    Replayable,
    Sampler,
    Space,
    refuse_labels,
    refuse_shape,
)
from veridical.nn.buffers import BufferRole
from veridical.nn.default_heads import grid_of
from veridical.nn.heads import Head, inverse
from veridical.nn.precision import at_least_single
from veridical.nn.triangular import Chain, Steps, Task, from_sites, solve, to_sites
from veridical.noise import Noise, noise_for


class Drawn(NamedTuple):
    """Samples with what the sampler knows of them."""

    x: Tensor
    """(n, *event) examples in data space."""

    log_prob: Tensor
    """(n,) nats in data space, summed while drawing: of the missing sites given the known ones, in the chain (and with
    the label) by which the row was drawn."""

    evaluations: int
    """Calls of the network on all sites: sweeps (jacobi), sites (naive), or 0 (cached)."""


class Cached(ABC):
    """Computes the numbers of one site from what it has kept of the sites before."""

    @abstractmethod
    def steps(self, n: int, c: Tensor | None) -> Steps:
        """Start n examples with labels (n,); the state lives in the generator, so that no call sees that of another."""


class Autoregressive(GenerativeModel, Replayable, Sampler, Conditional, ExactLikelihood, Completer):
    """Base of the autoregressive families; see the module docstring.

    Args:
        facts: the space of the examples and their number; a space alone is accepted too.
        head: the distribution of a site, of `head.size` components: 1, or the first axis of an example.
        order: (S,) the sites in the order of drawing; None: as they are stored. A site of one component is counted
            along the flattened example, one of several along its axes without the first.
        labels: learn p(x | c), for data with labels.

    Raises:
        ValueError: the head or the order does not fit the space, or there are no labels.
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/loss": "objective", "model/nats": "nats"}
    buffer_roles: ClassVar = {"order": BufferRole.LIVE}
    order: Tensor

    def __init__(
        self, facts: Facts | Space, *, head: Head, order: Sequence[int] | Tensor | None = None, labels: bool = False
    ) -> None:
        super().__init__(facts)
        space = self.space
        if head.size not in (1, space.shape[0]):
            raise ValueError(f"the head has sites of {head.size} components; expected 1 or {space.shape[0]}.")
        if labels and space.classes is None:
            raise ValueError("labels is True, but the data have no labels; leave it out, or choose data with labels.")
        self.head, self.classes = head, (space.classes or 0) if labels else 0
        self.sites = space.dim // head.size
        self.register_buffer("order", permutation(order, self.sites))
        # The density of the levels with noise of one bin; two levels have probabilities.
        self.log_bin = 0.0 if space.levels == 2 else math.log(space.bin_width or 1.0)

    @abstractmethod
    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all sites, in their places, for examples (B, *event) and labels (B,).

        Those of site `order[i]` depend on the sites `order[:i]` alone, for any weights.
        """

    def chains(self) -> Sequence[Chain]:
        """Return the factorisations whose probabilities are averaged; one by default."""
        return [Chain(self.order, self.conditionals, self.steps if isinstance(self, Cached) else None)]

    def training_chain(self) -> Chain:
        """Return the factorisation of a training step: the first by default."""
        return self.chains()[0]

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the mean of -log p(x), or of -log p(x | c) with labels, in nats in data space.

        Raises:
            ValueError: the model learns labels, and the batch has none.
        """
        if self.classes and batch.c is None:
            raise ValueError("the batch has no labels, and this model learns p(x | c); give data with labels.")
        c = batch.c if self.classes else None
        loss = -self.site_log_probs(self.training_chain(), at_least_single(batch.x), c).sum(1).mean()
        return Loss(loss, {"loss": loss, "nats": loss})

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats in data space: log p(x | c), without labels log p(x).

        Raises:
            ValueError: x has another shape, or values between the levels of the data.
        """
        x = self.accepted(x)
        nats = [self.site_log_probs(chain, x, c).sum(1) for chain, c in self.components(len(x), c)]
        return log_mean_exp(torch.stack(nats))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *event) examples; with two or more levels they are exactly on the levels."""
        return self.drawn(n, c, noise=noise, options=options).x

    @torch.no_grad()
    def drawn(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Drawn:
        """Draw n examples, with their log-probabilities as the sampler adds them up.

        Args:
            n: how many.
            c: (n,) labels.
            noise: see `Sampler.sample`.
            options: an `AutoregressiveSampling`; None: its defaults.
        """
        nothing, noise = torch.zeros(self.space.shape, dtype=torch.bool), noise_for(n, self.device, noise)
        return self.completed(torch.zeros(n, *self.space.shape), nothing, c, noise=noise, options=options)

    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        known: Tensor,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw the components of x that are not known from their exact conditional distribution."""
        self.known_sites(known)  # refuses other masks before x is read with them
        return self.completed(self.accepted(x, known), known, c, noise=noise, options=options).x

    def leading(self, share: float) -> Tensor:
        """Return (*event) bool: this share of the sites, rounded, from the first in the order of the first chain."""
        return self.components_of(self.chains()[0].order[: round(share * self.sites)])

    def components_of(self, places: Tensor) -> Tensor:
        """Return (*event) bool: the components of the sites at these places."""
        sites = torch.zeros(1, self.sites, self.head.size, dtype=torch.bool, device=self.device)
        sites[:, places] = True
        return self.from_sites(sites)[0]

    @torch.no_grad()
    def log_prob_missing(self, x: Tensor, known: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) nats in data space: log p(missing | known)."""
        x, sites = self.accepted(x), self.known_sites(known)
        nats = [self.site_log_probs(chain, x, c) for chain, c in self.components(len(x), c, sites)]
        given = torch.stack([each[:, sites].sum(1) for each in nats])
        return log_mean_exp(torch.stack([each.sum(1) for each in nats])) - log_mean_exp(given)

    @torch.no_grad()
    def completed(
        self,
        x: Tensor,
        known: Tensor,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Drawn:
        """Draw what is missing, with the log-probability of each row as the sampler adds it up.

        Args:
            x: (n, *event) examples in data space, of which the known components count.
            known: (*event) bool, the same for all.
            c: (n,) labels.
            noise: see `Sampler.sample`.
            options: an `AutoregressiveSampling`; None: its defaults.

        Raises:
            ValueError: the conditional distribution of what is missing cannot be computed.
        """
        method, noise = options_of(AutoregressiveSampling, options).method, noise_for(len(x), self.device, noise)
        x = torch.where(known.to(self.device), x.to(self.device, self.dtype), self.filler)
        known = self.known_sites(known)
        components = self.components(len(x), c, known)
        which = self._chosen(components, x, known, noise)
        u = noise.uniform(self.sites, self.head.uniforms, dtype=self.dtype)
        sites, log_p, evaluations = self.to_sites(x), x.new_zeros(len(x)), 0
        for j, (chain, label) in enumerate(components):
            rows = torch.nonzero(which == j)[:, 0]
            if len(rows):
                task = Task(chain, self.head, self.space.shape, sites[rows], known, u[rows])
                solved = solve(task if label is None else replace(task, c=label[rows]), method)
                sites[rows], log_p[rows] = solved.sites, solved.log_prob
                evaluations += solved.evaluations
        missing = int((~known).sum()) * self.head.size
        return Drawn(self.from_sites(sites), log_p - missing * self.log_bin, evaluations)

    def _chosen(
        self, components: Sequence[tuple[Chain, Tensor | None]], x: Tensor, known: Tensor, noise: Noise
    ) -> Tensor:
        """Return (n,) which component of the mixture draws each row: by its probability of the known sites."""
        if len(components) == 1:
            return torch.zeros(len(x), dtype=torch.long, device=x.device)
        weights = x.new_zeros(len(x), len(components))
        if bool(known.any()):
            nats = [self.site_log_probs(chain, x, c)[:, known].sum(1) for chain, c in components]
            weights = torch.stack(nats, dim=1)
        return inverse(weights, noise.uniform(1, dtype=weights.dtype))[:, 0]

    def site_log_probs(self, chain: Chain, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S) nats in data space of the sites in their places; NaN at values between the levels."""
        h = at_least_single(chain.conditionals(x, c))
        if h.shape != (len(x), self.sites, self.head.parameters):
            raise ValueError(
                f"conditionals returned {tuple(h.shape)}; expected {(len(x), self.sites, self.head.parameters)}: for "
                "every site the numbers of the head."
            )
        sites = self.to_sites(x)
        nats = self.head.log_prob(h, sites) - self.head.size * self.log_bin
        return nats.masked_fill(self.between_levels(sites).any(-1), math.nan)

    def components(
        self, n: int, c: Tensor | None, known: Tensor | None = None
    ) -> Sequence[tuple[Chain, Tensor | None]]:
        """Return what is averaged: every chain (in which the known sites come first), with the labels or every class.

        Raises:
            ValueError: the model has no labels, or there are not n of its classes, or the known sites come first in no
                chain.
        """
        chains = self.chains() if known is None else self.chains_after(known)
        if not self.classes:
            refuse_labels(c)
            return [(chain, None) for chain in chains]
        if c is not None and (c.shape != (n,) or bool(((c < 0) | (c >= self.classes)).any())):
            raise ValueError(f"c is {c.tolist()}; expected {n} labels from 0 to {self.classes - 1}.")
        every = [torch.full((n,), label, device=self.device) for label in range(self.classes)]
        return [(chain, label) for chain in chains for label in (every if c is None else [c])]

    def chains_after(self, known: Tensor) -> Sequence[Chain]:
        """Return the chains in which the known sites (S,) come first.

        Raises:
            ValueError: there are none.
        """
        count = int(known.sum())
        suited = [chain for chain in self.chains() if bool(known[chain.order[:count]].all())]
        if not suited:
            raise ValueError(
                f"{count} of {self.sites} sites are known, but they do not come first in the order of this model, so "
                "the others have no conditional distribution that can be computed. Give the first sites of the order "
                "(from the top of an image), or train a MADE with order='any'."
            )
        return suited

    def accepted(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """Return examples as the network takes them; only known components need to be on the levels.

        Raises:
            ValueError: they have another shape, or values between the levels of the data.
        """
        refuse_shape(x, self.space, type(self).__name__)
        x = x.to(self.device, self.dtype)
        refuse_between_levels(x, self.space, known)
        return x

    def between_levels(self, x: Tensor) -> Tensor:
        """Return where x is not one of the levels, up to rounding; nowhere in continuous data."""
        return torch.zeros_like(x, dtype=torch.bool) if self.space.levels is None else grid_of(self.space).between(x)

    def known_sites(self, known: Tensor) -> Tensor:
        """Return (S,) which sites are known, for components (*event).

        Raises:
            ValueError: another shape, or a site of which only some components are known.
        """
        if known.shape != self.space.shape or known.dtype != torch.bool:
            raise ValueError(f"known is {known.dtype} of {tuple(known.shape)}; expected bool of {self.space.shape}.")
        of_site = self.to_sites(known[None])[0]
        if bool((of_site.any(1) != of_site.all(1)).any()):
            raise ValueError("known holds some channels of a pixel without the others; give all of them, or none.")
        return of_site.all(1).to(self.device)

    def to_sites(self, x: Tensor) -> Tensor:
        """Return (B, S, k) for examples (B, *event)."""
        return to_sites(x, self.head.size)

    def from_sites(self, sites: Tensor) -> Tensor:
        """Return (B, *event) for sites (B, S, k)."""
        return from_sites(sites, self.space.shape)

    @property
    def filler(self) -> float:
        """A value of data space, for sites that are not drawn yet; no result depends on it."""
        return self.space.mean if self.space.support is None else self.space.support[0]

    @property
    def dtype(self) -> torch.dtype:
        """Type of examples and nats: that of the weights, at least single precision."""
        return torch.promote_types(next(self.parameters()).dtype, torch.float32)


def permutation(order: Sequence[int] | Tensor | None, sites: int) -> Tensor:
    """Return an order of the sites as int64; None: as they are stored.

    Raises:
        ValueError: it does not name every site once.
    """
    chosen = torch.arange(sites) if order is None else torch.as_tensor(order, dtype=torch.long).clone()
    if chosen.shape != (sites,) or not torch.equal(chosen.sort().values, torch.arange(sites)):
        raise ValueError(f"order is {chosen.tolist()}; expected every number from 0 to {sites - 1} once.")
    return chosen


def log_mean_exp(nats: Tensor) -> Tensor:
    """Return log of the mean of exp over the first axis, stably.

    Examples:
        >>> log_mean_exp(torch.tensor([1.0, 3.0]).log())
        tensor(0.6931)
    """
    return nats[0] if len(nats) == 1 else nats.logsumexp(0) - math.log(len(nats))
