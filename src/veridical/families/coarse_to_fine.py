r"""An autoregressive model of a lattice from coarse to fine: a renormalisation run backwards.

**Model.** A lattice is drawn level by level (`nn/coarse_to_fine.py`): first the sites of a coarse lattice, then the
centres of its squares, then the centres of the squares of the turned lattice that both make, and so on,

$$ q(x) = q(x_{\text{coarsest}}) \prod_\ell q(x_\ell \mid x_{\text{coarser than } \ell}). $$

Leaving out the finest level is the decimation of real-space renormalisation; the model learns its inverse. The sites of
a level fall into colours, drawn in order; the sites of one colour are drawn together, each from the known sites around
it, by a perceptron of its own for every colour (a convolution evaluated at these sites only).

On the finest level of the Ising model the four neighbours of a site are known, and its exact distribution is the heat
bath, $\mathrm{logit}\,p(x_i = 1) = 2K\sum_{j\sim i} x_j$. With it, half of the lattice is exact, and $\log q - \log p$
depends on the other half alone.

On lattices the networks are odd, so that $q(x) = q(-x)$ exactly, whatever the weights: no sign can be lost.

**Objective.** The mean of $-\log q(x)$ of examples, or with `--from-energy` a divergence from a known density.

**What to expect.** At a critical point all levels are alike and correlations reach across the lattice; they are carried
by the coarse levels, where few sites span all of it, and every network sees a patch only. A lattice of N sites takes as
many network evaluations as there are colours, about $\log N$. What remains is the dependence of the sites of one colour
(fewer with a larger `period`), what a site would see beyond its `reach`, and the capacity of the networks.

References:
    Singha, Cellini, Nicoli, Jansen, Kühn & Nakajima, Multilevel Generative Samplers for Investigating Critical
        Phenomena (2025). https://arxiv.org/abs/2503.08918
    Białas, Korcyl & Stebel, Hierarchical Autoregressive Neural Networks for Statistical Systems (2022).
        https://arxiv.org/abs/2203.10989
    Wu, Wang & Zhang, Solving Statistical Mechanics Using Variational Autoregressive Networks (2019).
        https://arxiv.org/abs/1809.10606
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.coarse_to_fine import PAPER, CoarseToFineConfig
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.coarse_to_fine import (
    HeatBath,
    PatchNetwork,
    SiteNetwork,
    Sublattice,
    neighbours,
    offsets,
    sublattices,
)
from veridical.nn.default_heads import compact_head, features_for
from veridical.nn.triangular import Steps

NEAREST = torch.tensor([(-1, 0), (0, -1), (0, 1), (1, 0)])
"""The neighbours of a site."""


class CoarseToFine(Autoregressive, Cached):
    """A lattice from coarse to fine (module docstring: model, objective, units).

    Args:
        config: the choices.
        facts: of lattices or images (channels, height, width).

    Raises:
        ValueError: the space is not one of images, or a heat bath or a symmetry is requested that it does not have.

    Examples:
        >>> model = CoarseToFine(CoarseToFineConfig(width=8), Space((1, 4, 4), "lattice", levels=2))
        >>> x = model.sample(3)
        >>> bool((model.log_prob(x) == model.log_prob(-x)).all())
        True
    """

    papers = (PAPER,)

    def __init__(self, config: CoarseToFineConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        if len(space.shape) != 3:
            raise ValueError(f"space has shape {space.shape}; expected lattices or images (channels, height, width).")
        head, levels = compact_head(space, config.components), levels_of(config, space)
        order = torch.cat([places.flatten() for places, _ in levels])
        super().__init__(facts, head=head, order=order)
        self.config, self.features = config, features_for(space)
        self.levels = nn.ModuleList(self._networks(levels))

    def _networks(self, levels: list[tuple[Tensor, Tensor]]) -> Iterable[SiteNetwork]:
        bath, odd = uses_heat_bath(self.config, self.space), is_symmetric(self.config, self.space)
        for i, (places, seen) in enumerate(levels):
            if bath and i == len(levels) - 1:
                yield HeatBath(places, seen, self.config.coupling)
            else:
                yield PatchNetwork(
                    places,
                    seen,
                    features=self.features.count,
                    parameters=self.head.parameters,
                    width=self.config.width,
                    depth=self.config.depth,
                    odd=odd,
                )

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all sites, in their places."""
        state = self.features(self.to_sites(x)).permute(1, 2, 0)  # (S, F, B)
        state = torch.cat([state, state.new_zeros(1, *state.shape[1:])])
        numbers = [level(state, slice(None)).flatten(0, 1) for level in self.levels]
        return torch.cat(numbers)[self.order.argsort()].permute(2, 0, 1)

    def steps(self, n: int, c: Tensor | None) -> Steps:
        """Compute the numbers of one stage after another, given out site by site."""
        state = torch.zeros(self.sites + 1, self.features.count, n, dtype=self.dtype, device=self.device)
        for level in self.levels:
            assert isinstance(level, SiteNetwork)
            for stage, places in enumerate(level.places.tolist()):
                numbers = level(state, slice(stage, stage + 1))[0]
                for place, h in zip(places, numbers, strict=True):
                    x = yield h.T
                    state[place] = self.features(x[:, None])[:, 0].T


def levels_of(config: CoarseToFineConfig, space: Space) -> list[tuple[Tensor, Tensor]]:
    """Return the sites (stages, m) of every level, in the order of drawing, and the known ones (stages, m, K) around.

    Where nothing is known, there is the number of all sites.
    """
    channels, *sides = space.shape
    height, width = sides
    periodic, bath = space.kind == "lattice", uses_heat_bath(config, space)
    lattices = sublattices(height, width, config.period)
    if bath:  # the finest level has one colour
        finest = lattices[-1]
        lattices[-1] = Sublattice(finest.places.flatten(0, 1)[None], finest.distance)
    stage, count, levels = torch.full((space.dim + 1,), space.dim), 0, []
    for i, lattice in enumerate(lattices):
        last = bath and i == len(lattices) - 1
        around = NEAREST if last else offsets(config.reach * lattice.distance, (height, width), periodic)
        seen, own = neighbours(lattice.places, around, (height, width), channels, periodic)
        own, seen = own.transpose(0, 1).flatten(0, 1), seen.transpose(0, 1).flatten(0, 1)
        stage[own] = count + torch.arange(len(own))[:, None]
        count += len(own)
        known = stage[seen] < stage[own][..., None]
        levels.append((own, used(seen.masked_fill(~known, space.dim), space.dim)))
    return levels


def used(seen: Tensor, none: int) -> Tensor:
    """Return (stages, m, K) without the neighbours that no site of the level knows; one of them where none is known.

    Args:
        seen: (stages, m, K).
        none: number that stands for an unknown site.
    """
    known = (seen != none).flatten(0, 1).any(0)
    return seen[..., known] if bool(known.any()) else seen.new_full((*seen.shape[:2], 1), none)


def uses_heat_bath(config: CoarseToFineConfig, space: Space) -> bool:
    """Return whether the finest level is the heat bath of spins.

    Raises:
        ValueError: it is requested, and these are no spins on a torus with even sides.
    """
    spins = space.kind == "lattice" and space.levels == 2 and space.shape[0] == 1
    able = spins and space.shape[1] % 2 == 0 and space.shape[2] % 2 == 0
    if config.last == "heat-bath" and not able:
        raise ValueError(
            f"last is 'heat-bath', but the space is {space.shape} of kind {space.kind} with {space.levels} levels; "
            "expected a lattice of two levels with even sides. Choose last='network'."
        )
    return able and config.last != "network"


def is_symmetric(config: CoarseToFineConfig, space: Space) -> bool:
    """Return whether an example and its negative have the same probability.

    Raises:
        ValueError: it is requested, and the components have other than two levels.
    """
    if config.symmetric and space.levels != 2:
        raise ValueError(f"symmetric is True, but components have {space.levels} levels; expected 2.")
    return space.levels == 2 and space.kind == "lattice" if config.symmetric is None else config.symmetric
