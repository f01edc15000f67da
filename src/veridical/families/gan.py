r"""Generative adversarial networks.

**Model.** A generator maps noise to examples, $x = G(z)$ with $z \sim \mathcal N(0, I)$. Its distribution $q$ has no
density that could be evaluated. A discriminator $D$ is trained at the same time to distinguish $q$ from the
distribution $p$ of the data.

**Objective.** Both losses are functions of the logits $\ell = D(x)$ (`objectives/adversarial.py`). With the optimal $D$
for every $G$ the non-saturating discriminator loss is $2\log 2 - 2\,\mathrm{JS}(p, q)$: the discriminator estimates a
divergence, and the generator minimises it. By default every fake is paired with a real example, $\ell_f - \ell_r$. This
removes the local minima in which the generator leaves out a mode. The losses of both players are damped by

$$ \tfrac{\gamma_1}2\,\mathrm E_p\lVert\nabla D\rVert^2 + \tfrac{\gamma_2}2\,\mathrm E_q\lVert\nabla D\rVert^2 $$

(R1, R2), without which training circles around the equilibrium instead of reaching it. Gradients are taken with
respect to examples in standard units (images in [-1, 1], unbounded data in units of their standard deviation), so
that $\gamma$ means the same for data of any scale, and so does the slope of one of WGAN-GP and DRAGAN.

**Views.** The discriminator's input may carry instance noise that is annealed to zero, and `pack` examples may be
concatenated to one input (PacGAN); `objectives/game.py` composes objective, pairing, views and penalties.

**Order of play.** The discriminator moves at every step, the generator at every `discriminator_turns`-th. The fakes of
the discriminator's turn carry no graph; in the generator's turn the loop has frozen the discriminator.

**Assumptions.** No labels: `sample` refuses them. Samples are continuous, also where the data have levels. There is no
likelihood; `veridical evaluate` measures the quality of samples.

References:
    Goodfellow et al., Generative Adversarial Nets (2014). https://arxiv.org/abs/1406.2661
    Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge? (2018).
        https://arxiv.org/abs/1801.04406
    Huang et al., The GAN is dead; long live the GAN! A Modern GAN Baseline (2024). https://arxiv.org/abs/2501.05441
"""

from __future__ import annotations

import torch
from torch import Tensor

from veridical.config import GANConfig
from veridical.families.adversarial import AdversarialModel
from veridical.model import Batch
from veridical.objectives.game import Turn, discriminator_turn, generator_turn


class GAN(AdversarialModel[GANConfig]):
    """A generator against a discriminator.

    Args:
        config: objective, penalties, views, networks, optimisers.
        facts: of the data: space and number of examples.
        generator: your own, (B, latent_dim) → (B, *space.shape) in data space; None: built by `config.network`.
        discriminator: your own, (B, *space.shape) in data space (`pack` times the channels) → (B,) or (B, 1) logits;
            None: built by `config.network`.

    Raises:
        ValueError: the networks do not fit the space, or a penalty is used with batch normalisation.
    """

    papers = (
        "Goodfellow et al., Generative Adversarial Nets (2014), https://arxiv.org/abs/1406.2661",
        "Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge? (2018), "
        "https://arxiv.org/abs/1801.04406",
        "Huang et al., The GAN is dead; long live the GAN! A Modern GAN Baseline (2024), "
        "https://arxiv.org/abs/2501.05441",
    )

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the discriminator loss of the batch and of as many fakes, which carry no graph."""
        with torch.no_grad():
            x_fake = self.fakes(batch)
        return discriminator_turn(self.game, self.logits, batch.x, x_fake, step=step)

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the generator loss of as many fakes."""
        return generator_turn(self.game, self.logits, batch.x, self.fakes(batch), step=step)

    def fakes(self, batch: Batch) -> Tensor:
        """Return as many samples as the batch holds."""
        return self.decode(self.prior(len(batch.x)))
