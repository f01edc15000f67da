r"""Generative latent optimisation: a learned code for every training example, and a decoder. No encoder, no opponent.

**Model.** Example $i$ of $n$ has a code $z_i$ in the unit ball of $\mathbb R^d$ (or on its sphere), a row of a table
that is learned together with the decoder $d$. The restored example is $\hat x_i = d(\sqrt d\, z_i)$, so that the
components of what the decoder sees are of order one whatever the dimension.

**Objective.**
$$ \min_\theta \min_{z_1, \dots, z_n} \frac1n \sum_i \ell(x_i, \hat x_i), \qquad \lVert z_i \rVert \le 1 $$
with the loss of the Laplacian pyramid plus the squared error for images, or any other misfit
(`families/fitted_codes.py`). A step moves the rows of its batch alone: every row has its own optimiser state
(`training/rows.py`), absent rows keep their bits, and rows outside the ball are projected back to it.

**Start.** The principal components of the examples (`start_from`), scaled to a root mean square norm of 1/2: similar
images then begin with similar codes, which matters for what lies between them. A hundred images are restored as well
from random codes (docs/families/glo.md).

**Samples** are decoded draws of a Gaussian, or a mixture of Gaussians, fitted to the codes and projected to the ball.
`codes: training` restores training examples: the empirical distribution itself. `between` decodes points between them.

**What to expect.** Given enough width and time every training example is restored to any accuracy; `restored` of an
evaluation says how many are, and `veridical latent-dim` finds the smallest $d$ that suffices. In few dimensions codes
crowd together and restored images blur. New examples have no code, and there is no likelihood.

**References.** Bojanowski, Joulin, Lopez-Paz & Szlam, Optimizing the Latent Space of Generative Networks (2018).
Hoshen, Li & Malik, Non-Adversarial Image Synthesis with Generative Latent Nearest Neighbors (2019). Park, Florence,
Straub, Newcombe & Lovegrove, DeepSDF (2019), for decoders with a code for each shape.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.glo import GLOConfig
from veridical.data.dataset import ArrayData
from veridical.data.principal import principal_components
from veridical.families.fitted_codes import FittedCodes
from veridical.kinds import TermKind
from veridical.model import Batch, Facts, Loss, Replayable, Space, StartsFromData
from veridical.nn.conv import fits_convolutions
from veridical.nn.precision import at_least_single

START_NORM = 0.5
"""Root mean square norm of the first codes."""

ROUNDING = 1e-6
"""Norms this close to where they should be are left as they are, so that rows that did not move keep their bits."""


class GLO(FittedCodes, Replayable, StartsFromData):
    """Generative latent optimisation (module docstring: model, objective, units).

    Args:
        config: the choices; `network`, `width` and `depth` are for the decoder built here.
        facts: space and number of the examples.
        decoder: your own module, (B, latent_dim) → (B, *shape): logits (Bernoulli), or values in data space.

    Raises:
        ValueError: the number of examples is not known, or the misfit has no meaning for them.

    Examples:
        >>> model = GLO(GLOConfig(latent_dim=2, width=8), Facts(Space((1, 8, 8)), n=5))
        >>> model.decode(model.known_codes()).shape
        torch.Size([5, 1, 8, 8])
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/loss": "objective"}
    papers = (
        "Bojanowski, Joulin, Lopez-Paz & Szlam, Optimizing the Latent Space of Generative Networks, ICML 2018. "
        "https://arxiv.org/abs/1707.05776",
        "Hoshen, Li & Malik, Non-Adversarial Image Synthesis with Generative Latent Nearest Neighbors, CVPR 2019. "
        "https://arxiv.org/abs/1812.08985",
    )

    def __init__(self, config: GLOConfig, facts: Facts | Space, *, decoder: nn.Module | None = None) -> None:
        super().__init__(facts, misfit_of(config, Facts.of(facts).space))
        if self.facts.n is None:
            raise ValueError(
                f"the number of examples is not known for a space of shape {self.space.shape}; GLO has a code for "
                "each. Pass Facts(space, n), or train on a data set."
            )
        self.config = config
        self.latent_dim, self.latent_shape = config.latent_dim, (config.latent_dim,)
        self.decoder = self.built_decoder(config.network, config.width, config.depth) if decoder is None else decoder
        codes = torch.randn(self.facts.n, config.latent_dim) * (START_NORM / math.sqrt(config.latent_dim))
        self.codes = nn.Parameter(self.project(codes))

    def player_parameters(self, player: str) -> list[dict[str, Any]]:
        """Return the decoder, the learned scale, and the table of codes, whose rows move on their own."""
        codes = {"params": [self.codes], "rows": True, "lr": self.config.code_lr, "weight_decay": 0.0}
        groups = [{"params": self.weights_without(self.codes)}, *self.scale_group(self.config.optimizer.lr), codes]
        return [group for group in groups if group["params"]]

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the mean misfit of the examples of the batch and what their codes decode to.

        Terms: `loss`; `error`, the mean squared error in variances of the data; `psnr` of it in dB, where data are
        bounded; `sigma`, the learned scale; `code_norm`, the mean norm of the codes of the batch.
        """
        z = self.codes[batch.index]
        h = self.decoder_output(z)
        loss = self.misfit(batch.x, h).mean()
        norm = z.detach().norm(dim=1).mean()
        return Loss(loss, {"loss": loss, **self.accuracy_terms(batch.x, h), "code_norm": norm})

    @torch.no_grad()
    def after_update(self, player: str) -> None:
        """Project the codes to the ball or sphere, in place; codes that are there keep their bits."""
        self.codes.copy_(self.project(self.codes))

    def project(self, z: Tensor) -> Tensor:
        """Return codes (B, d) in the unit ball, or on the sphere."""
        norm = z.norm(dim=1, keepdim=True)
        out = norm > 1 + ROUNDING if self.config.codes == "ball" else (norm - 1).abs() > ROUNDING
        return torch.where(out, z / norm.clamp(min=1e-12), z)

    @torch.no_grad()
    def start_from(self, data: ArrayData) -> None:
        """Set the codes to principal components of the data (module docstring), if the configuration says so.

        Raises:
            ValueError: another number of examples than the model was built for.
        """
        if len(data) != len(self.codes):
            raise ValueError(f"data has {len(data):,} examples; this model has {len(self.codes):,} codes.")
        if self.config.start == "pca":
            self.codes.copy_(self.project(first_codes(data, self.latent_dim)).to(self.codes))

    def known_codes(self) -> Tensor:
        """Return (n, d) the codes of all training examples."""
        return self.codes

    def decoder_output(self, z: Tensor) -> Tensor:
        """Return logits or values in data space, (B, *event), for codes (B, d)."""
        return at_least_single(self.decoder(math.sqrt(self.latent_dim) * z))

    def restore(self, batch: Batch) -> Tensor:
        """Return (B, *event) restored training examples, by their rows.

        Raises:
            ValueError: rows beyond the training examples.
        """
        if len(batch.index) and int(batch.index.max()) >= len(self.codes):
            raise ValueError(
                f"the highest row is {int(batch.index.max())}; this model has codes of {len(self.codes):,} training "
                "examples, and other examples have none."
            )
        return self.decode(self.codes[batch.index])


def misfit_of(config: GLOConfig, space: Space) -> str:
    """Return the misfit: as chosen, or that of all scales for images and squared otherwise."""
    if config.reconstruction != "auto":
        return config.reconstruction
    return "laplacian" if fits_convolutions(space.shape) else "squared"


def first_codes(data: ArrayData, dim: int) -> Tensor:
    """Return (n, dim) principal components of root mean square norm `START_NORM`; spare columns are nearly 0."""
    found = min(dim, data.space.dim)
    scores = principal_components(data, found).scores(data)
    scale = scores.square().sum(1).mean().sqrt().clamp(min=1e-12)
    spare = torch.randn(len(data), dim - found, dtype=scores.dtype, generator=torch.Generator().manual_seed(0))
    return START_NORM * torch.cat([scores / scale, 1e-2 * spare / math.sqrt(dim)], 1)
