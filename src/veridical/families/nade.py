r"""NADE: a hidden layer that is updated from component to component.

**Model.** In an order $\pi$ of the components,

$$ p(x) = \prod_i p\big(x_{\pi(i)} \mid h_i\big), \qquad h_i = \sigma(a_i), \qquad a_1 = c, \qquad
   a_{i+1} = a_i + W_{\pi(i)} x_{\pi(i)}, $$

the numbers of the factor being $V_{\pi(i)} h_i + b_{\pi(i)}$. All later components share the columns of $W$. The
model was found as a mean-field approximation of the conditional distributions of a restricted Boltzmann machine, whose
log Z cannot be computed, while here everything is exact. Factors are Bernoulli for bits, categorical for up to 32
levels, mixtures of logistic distributions on the levels for more (then of the value, not one-hot, of earlier
components), and mixtures of Gaussians for continuous data, which is RNADE.

**Objective.** The mean of $-\log p(x)$, exactly, with logits and not probabilities handed to the loss.

**What to expect.** A cost of O(S H) for a likelihood as for a sample, in blocks of components (`nn/running_sum.py`): no
loop over components in training. One order is learned. On binary vectors the result is near that of a MADE with as many
hidden units; NADE has S output layers where MADE has one, and less of it is masked.

References:
    Larochelle & Murray, The Neural Autoregressive Distribution Estimator (2011).
        https://proceedings.mlr.press/v15/larochelle11a.html
    Uria, Murray & Larochelle, RNADE (2013). https://arxiv.org/abs/1306.0186
    Uria, Cote, Gregor, Murray & Larochelle, Neural Autoregressive Distribution Estimation (2016).
        https://arxiv.org/abs/1605.02226
"""

from __future__ import annotations

import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.nade import NADEConfig
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.default_heads import compact_head, features_for
from veridical.nn.running_sum import RunningSum
from veridical.nn.triangular import Steps

SEED = 0
"""Of the random order, which belongs to the model and not to the run."""


class NADE(Autoregressive, Cached):
    """A neural autoregressive distribution estimator (module docstring: model, objective, units).

    Args:
        config: the choices.
        facts: of the data; a space alone is accepted too.

    Raises:
        ValueError: labels are to be learned, and the data have none.

    Examples:
        >>> model = NADE(NADEConfig(width=8), Space((3,), kind="vector", levels=2))
        >>> model.log_prob(torch.ones(1, 3)).shape
        torch.Size([1])
    """

    papers = (
        "Larochelle & Murray, The Neural Autoregressive Distribution Estimator (2011), "
        "https://proceedings.mlr.press/v15/larochelle11a.html",
        "Uria, Murray & Larochelle, RNADE: The Real-valued Neural Autoregressive Density-estimator (2013), "
        "https://arxiv.org/abs/1306.0186",
    )

    def __init__(self, config: NADEConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        head = compact_head(space, config.components)
        random = torch.Generator().manual_seed(SEED)
        order = None if config.order == "stored" else torch.randperm(space.dim, generator=random)
        super().__init__(facts, head=head, order=order, labels=config.labels)
        self.config = config
        self.network = RunningSum(
            self.sites,
            features_for(space),
            head.parameters,
            width=config.width,
            activation=config.activation,
            classes=self.classes,
        )

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all components, in their places."""
        return self.network(self.to_sites(x), self.order, c)

    def steps(self, n: int, c: Tensor | None) -> Steps:
        """Compute the numbers of one component after another from the running sum."""
        return self.network.steps(self.order, n, c)
