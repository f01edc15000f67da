r"""WaveNet: dilated causal convolutions that predict each step of a sequence from those before.

**Model.**

$$ p(x) = \prod_t p(x_t \mid x_{t-1}, \dots, x_{t-R}), $$

with a receptive field of R steps that grows exponentially with the number of layers (`nn/wavenet.py`). Sequences of
several channels (C, T) are read step by step, in each step channel by channel; any other example is read as the
sequence of its components, as they are stored.

**The distribution of a step.** Bounded values of many levels, such as audio, have 256 logits, one for each code of the
μ-law (`nn/companding.py`): fine near 0, coarse where the signal is loud. Up to 256 levels have a logit each. Values
without bounds have a mixture of Gaussians. All of them are distributions of the data as they are, so nats do not depend
on the choice.

**Objective.** The mean of $-\log p(x)$, exactly, all steps in parallel.

**What to expect.** Training is parallel over steps, sampling is not: with queues a step costs one evaluation of each
layer at one step, whatever the receptive field. What lies further back than R is not used.

References:
    van den Oord et al., WaveNet: A Generative Model for Raw Audio (2016). https://arxiv.org/abs/1609.03499
    Le Paine et al., Fast Wavenet Generation Algorithm (2016). https://arxiv.org/abs/1611.09482
"""

from __future__ import annotations

import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.wavenet import WaveNetConfig
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.companding import CODES, MuLaw, compress
from veridical.nn.default_heads import compact_head, features_for, grid_of, scalar_head
from veridical.nn.heads import Head
from veridical.nn.triangular import Steps
from veridical.nn.wavenet import DilatedStack


class WaveNet(Autoregressive, Cached):
    """Dilated causal convolutions (module docstring: model, objective, units).

    Args:
        config: the choices.
        facts: of the data; a space alone is accepted too.

    Raises:
        ValueError: an output that the data do not allow, or labels are to be learned, and the data have none.

    Examples:
        >>> model = WaveNet(WaveNetConfig(layers=4, blocks=2), Space((1, 100), kind="sequence", levels=None))
        >>> model.network.receptive_field
        32
    """

    papers = (
        "van den Oord et al., WaveNet: A Generative Model for Raw Audio (2016), https://arxiv.org/abs/1609.03499",
        "Le Paine et al., Fast Wavenet Generation Algorithm (2016), https://arxiv.org/abs/1611.09482",
    )

    def __init__(self, config: WaveNetConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        head = head_of(config, space)
        super().__init__(facts, head=head, order=step_by_step(space), labels=config.labels)
        self.config, self.features = config, features_for(space)
        self.network = DilatedStack(
            self.features.count,
            head.parameters,
            width=config.width,
            layers=config.layers,
            blocks=config.blocks,
            kernel=config.kernel,
            classes=self.classes,
        )

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all components, in their places."""
        return self.network(self.seen(self.to_sites(x)[:, self.order]), c)[:, self.order.argsort()]

    def steps(self, n: int, c: Tensor | None) -> Steps:
        """Compute the numbers of one component after another from the queues."""
        steps = self.network.steps(n, c)
        h = next(steps)
        while True:
            x = yield h
            h = steps.send(self.seen(x))

    def seen(self, x: Tensor) -> Tensor:
        """Return (..., F): what the network sees of components (..., 1)."""
        if isinstance(self.head, MuLaw):
            return compress(self.head.unit(x))
        return self.features(x)


def head_of(config: WaveNetConfig, space: Space) -> Head:
    """Return the distribution of a step.

    Raises:
        ValueError: the data do not allow the one that is chosen.
    """
    output = config.output
    if output == "auto":
        few = space.levels is not None and space.levels <= CODES
        fine = space.support is not None and (space.levels is None or space.levels >= 2**16)
        output = "levels" if few else "mu-law" if fine else "mixture"
    if output == "mu-law":
        if space.support is None:
            raise ValueError("output is 'mu-law', and the data have no bounds; choose 'mixture', or scale them.")
        return MuLaw(*space.support, grid=None if space.levels is None else grid_of(space))
    if output == "levels":
        if space.levels is None:
            raise ValueError("output is 'levels', and the data are continuous; choose 'mixture' or 'mu-law'.")
        return scalar_head(space, config.components)
    return compact_head(space, config.components)


def step_by_step(space: Space) -> Tensor | None:
    """Return the order of the components of a sequence of several channels: all channels of a step, then the next."""
    if space.kind != "sequence":
        return None
    return torch.arange(space.dim).reshape(space.shape).T.flatten()
