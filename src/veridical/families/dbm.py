r"""Deep Boltzmann machine: three layers of units, neighbours connected, with a mean-field bound of the likelihood.

**Model.** Visible units $v$ and two layers of hidden units $h, g$,

$$ p(v, h, g) = \frac1Z e^{-E}, \qquad -E = b^\top v + c^\top h + d^\top g + v^\top W h + h^\top U g . $$

The layers v and g are independent given h, and h given both: it is a machine of two layers, $h$ and $(v, g)$
(`mcmc/bipartite.py`), whose chains draw the odd and the even layers in turn, and whose log Z is a sum for up to 24
units in h or in $(v, g)$ and is otherwise estimated along a path of states h with v and g summed out.

**Likelihood.** $\log p(v) = b^\top v + \log \sum_{h,g} e^{\dots} - \log Z$. The sum is exact where h or g has at most
10 units; otherwise mean field bounds it from below (`mcmc/mean_field.py`), and what is stated is a lower bound.

**Objective.** The gradient of that bound at the means $\mu, \nu$ of a fixed number of updates,

$$ \operatorname E_{\text{data}} E(v, \mu, \nu) - \operatorname E_{\text{model}} E(v, h, g) , $$

with persistent chains of h for the second part, v and g summed out, and in centred coordinates (`families/rbm.py` has
the same).

**Pretraining.** A hidden layer in the middle has input from two sides, but a pair of layers alone gives it only one. So
the lower pair is trained as a machine with two copies of v that share W and b, and the upper one with two copies of g:
input from one copy is then as strong as it will be, and two copies stand for the sides (Salakhutdinov & Hinton 2009).
The deep machine takes one copy of each, and as $c$ the mean of the biases of h in both: then $p(h)$ is, up to a
constant, the geometric mean $\sqrt{p_1(h)\,p_2(h)}$ of what both machines say, and $p(v|h)$, $p(g|h)$ are theirs. The
upper pair learns from h drawn given the data in the lower.

References:
    Salakhutdinov & Hinton, Deep Boltzmann Machines (2009). https://proceedings.mlr.press/v5/salakhutdinov09a.html
    Montavon & Müller, Deep Boltzmann Machines and the Centering Trick (2012).
        https://doi.org/10.1007/978-3-642-35289-8_33
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.dbm import DBMConfig
from veridical.families.boltzmann import FIRST, SLIDING, UNITS, Boltzmann, Phase
from veridical.kinds import TermKind
from veridical.mcmc.bipartite import Machine, Tempering, centred
from veridical.mcmc.mean_field import MeanField, log_sum, mean_field
from veridical.mcmc.pair import side_by_side
from veridical.mcmc.units import Layer
from veridical.model import Batch, Facts, Loss, Space
from veridical.nn.buffers import BufferRole
from veridical.noise import FreshNoise, Noise

LISTED = 10
"""Most units of a hidden layer whose states are summed for every example."""

SETTLED = 50
"""Mean-field updates of a stated bound, which more updates only tighten."""

Stage = Literal["lower", "upper", "whole"]
"""What is trained: a pair of layers, or all."""


class DBM(Boltzmann):
    """A deep Boltzmann machine of two hidden layers (module docstring: model, objective, pretraining).

    Args:
        config: the choices.
        facts: of the data; a space alone is accepted too.

    Raises:
        ValueError: the components have too many levels, or the chosen units do not fit them.

    Examples:
        >>> model = DBM(DBMConfig(width=8, upper_width=4), Space((3,), kind="vector", levels=2))
        >>> model.energy(torch.ones(2, 3)).shape
        torch.Size([2])
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/variational_free_energy": "free_energy"}
    buffer_roles: ClassVar = {"hidden_mean": BufferRole.PER_PROCESS, "upper_mean": BufferRole.PER_PROCESS}
    continuous = False
    hidden_mean: Tensor
    upper_mean: Tensor
    papers = (
        "Salakhutdinov & Hinton, Deep Boltzmann Machines (2009), "
        "https://proceedings.mlr.press/v5/salakhutdinov09a.html",
        "Montavon & Müller, Deep Boltzmann Machines and the Centering Trick (2012), "
        "https://doi.org/10.1007/978-3-642-35289-8_33",
    )

    def __init__(self, config: DBMConfig, facts: Facts | Space) -> None:
        replicas = config.replicas if config.negative == "temper" else 1
        super().__init__(facts, config.visible, Phase(config.sweeps, config.chains, replicas))
        self.config, self.hidden_units = config, UNITS[config.hidden]
        self.energy_is_bound = min(config.width, config.upper_width) > LISTED
        visible, zeros = self.space.dim * self.visible_units.numbers, torch.zeros
        self.weights = nn.Parameter(FIRST * torch.randn(visible, config.width))
        self.upper_weights = nn.Parameter(FIRST * torch.randn(config.width, config.upper_width))
        self.visible_bias = nn.Parameter(zeros(visible))
        self.bias_below = nn.Parameter(zeros(config.width))
        self.bias_above = nn.Parameter(zeros(config.width))
        self.upper_bias = nn.Parameter(zeros(config.upper_width))
        self.register_buffer("start", zeros(visible))
        self.register_buffer("visible_mean", self.visible_units.mean(zeros(visible), None))
        self.register_buffer("hidden_mean", self.hidden_units.mean(zeros(config.width), None))
        self.register_buffer("upper_mean", self.hidden_units.mean(zeros(config.upper_width), None))
        self.register_buffer("betas", torch.linspace(0, 1, replicas))
        self.register_buffer("chains", self.first_chains())

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def pattern(self, step: int) -> Stage:
        """Return which layers are trained."""
        done = step // self.config.pretrain if self.config.pretrain else 2
        return "lower" if done == 0 else "upper" if done == 1 else "whole"

    def machine(self, stage: Stage = "whole") -> Machine:
        """Return the machine of the lower hidden layer and its neighbours; of a pair, the other layer twice."""
        W, U, b, d = self.weights.T, self.upper_weights, self.visible_bias, self.upper_bias
        if stage == "lower":
            others, c, units = ((W, b), (W, b)), self.bias_below, self.visible_units
        elif stage == "upper":
            others, c, units = ((U, d), (U, d)), self.bias_above, self.hidden_units
        else:
            others, c = ((W, b), (U, d)), self.hidden_layers()[0].bias
            units = side_by_side(self.visible_units, self.hidden_units, len(b))
        weights, biases = (torch.cat(parts, -1) for parts in zip(*others, strict=True))
        return Machine(weights, Layer(self.hidden_units, c), Layer(units, biases))

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the mean energy of the data minus that of the chains, after their steps.

        Terms: `loss`; of the whole machine `variational_free_energy`, an upper bound of the free energy of the batch,
        nats, and `mean_field_change`, the largest change of a mean in the last update; with temperatures `exchanged`,
        the mean share of exchanges of the pair of neighbours that exchanges least.
        """
        stage = self.pattern(step)
        with torch.autocast(batch.x.device.type, enabled=False):
            v = self.to_units(batch.x.float() if batch.x.dtype.itemsize < 4 else batch.x)
            machine = self.machine(stage)
            with torch.no_grad():
                negative, terms = self.go_on(self._tempering(machine, stage))
                h, others, more = self._inferred(v, stage)
            if self.config.centred:
                machine = centred(machine, self.hidden_mean.clone(), self._means_of_others(stage))
            data = machine.energy(h, others) if stage != "upper" else machine.free_energy(h)
            loss = data.mean() - machine.free_energy(negative).mean()
            self._slide(v, h, others, stage)
        return Loss(loss, {"loss": loss, **terms, **more})

    def _inferred(self, v: Tensor, stage: Stage) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return what the data say of the layer h and of its neighbours, and what is logged; all without gradient.

        These are means, except for h of the upper pair, which is drawn.
        """
        below, terms = self.machine("lower"), dict[str, Tensor]()
        if stage == "whole":
            found = self.mean_field(v, self.config.updates)
            terms["variational_free_energy"] = -(v @ self.visible_bias + found.bound).mean()
            terms["mean_field_change"] = found.change
            return found.first, torch.cat([v, found.second], -1), terms
        copies = torch.cat([v, v], -1)
        field = below.visible.bias + copies @ below.weights.T
        if stage == "lower":
            return below.visible.mean(field), copies, terms
        h, above = below.visible.draw(field, FreshNoise(len(v), v.device)), self.machine("upper")
        return h, above.hidden.mean(above.hidden_field(h)), terms

    def hidden_layers(self) -> tuple[Layer, Layer]:
        """Return the hidden layers of the whole machine, the lower one first."""
        c = (self.bias_below + self.bias_above) / 2
        return Layer(self.hidden_units, c), Layer(self.hidden_units, self.upper_bias)

    def mean_field(self, v: Tensor, updates: int) -> MeanField:
        """Return the means of the hidden layers given visible units (B, n), after some updates of each."""
        first, second = self.hidden_layers()
        return mean_field(self.upper_weights, first, second, first.bias + v @ self.weights, updates)

    def _means_of_others(self, stage: Stage) -> Tensor:
        below, above = self.visible_mean, self.upper_mean
        return torch.cat([above if stage == "upper" else below, below if stage == "lower" else above])

    @torch.no_grad()
    def _slide(self, v: Tensor, h: Tensor, others: Tensor, stage: Stage) -> None:
        """Move the means of the units towards those of the batch; the gradient of this batch does not know them."""
        self.visible_mean.lerp_(v.mean(0).to(self.visible_mean), SLIDING)
        self.hidden_mean.lerp_(h.mean(0).to(self.hidden_mean), SLIDING)
        if stage != "lower":
            self.upper_mean.lerp_(others[:, -len(self.upper_mean) :].mean(0).to(self.upper_mean), SLIDING)

    def _tempering(self, machine: Machine, stage: Stage) -> Tempering:
        """Return the path from independent units with the means of the data where there are visible ones."""
        none = torch.zeros_like(self.upper_bias)
        return Tempering(
            machine,
            hidden=torch.cat([none if stage == "upper" else self.start, self.start if stage == "lower" else none]),
        )

    def energy(self, x: Tensor) -> Tensor:
        """Return (B,) free energies in nats, or upper bounds of them by mean field (`energy_is_bound`)."""
        v = self.to_units(x)
        if self.energy_is_bound:
            return -v @ self.visible_bias - self.mean_field(v, SETTLED).bound
        first, second = self.hidden_layers()
        return -v @ self.visible_bias - log_sum(self.upper_weights, first, second, first.bias + v @ self.weights)

    def path(self) -> Tempering:
        """Return the path of the lower hidden layer, from independent units with the means of the data."""
        return self._tempering(self.machine().detached(), "whole")

    def ends(self, x: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return h drawn from their mean-field distribution q, and log f(x, h) - log q(h), with g summed out."""
        v = self.to_units(x)
        found = self.mean_field(v, SETTLED)
        first, second = self.hidden_layers()
        h = first.draw(found.field, noise)
        field = first.bias + v @ self.weights
        above = second.log_normaliser(second.bias + h @ self.upper_weights)
        log_q = (found.field * h).sum(-1) - first.log_normaliser(found.field)
        return h, v @ self.visible_bias + (field * h).sum(-1) + above - log_q

    def kept_layer(self) -> Layer:
        """Return the lower hidden layer."""
        return self.hidden_layers()[0]

    def examples(self, x: Tensor, output: str, noise: Noise) -> Tensor:
        """Return the visible units, or their means, given the lower hidden ones."""
        layer = Layer(self.visible_units, self.visible_bias)
        field = layer.bias + x @ self.weights.T
        return layer.draw(field, noise) if output == "draw" else layer.mean(field)
