r"""Autoencoder: a code for every example, and a decoder that restores the example from it.

**Model.** An encoder $e$ and a decoder $d$; the restored example is $\hat x = d(e(x))$. With `code="one-hot"` there is
no encoder: the code of training example $i$ is the unit vector $e_i \in \mathbb R^n$, the first layer of the decoder a
table of $n$ rows, and nothing stands in the way of restoring every training example exactly. That is the first step of
everything here: a decoder that can restore, whose codes say nothing. An encoder then has to find codes in few
dimensions, which neighbours share.

**Objective.** The mean misfit of $x$ and $\hat x$ (`families/fitted_codes.py`), plus `perceptual_weight` times the
distance of features of an extractor. With affine maps and squared errors the optimum is that of
principal components: the error is the variance in the directions that are left out (Baldi & Hornik 1989).

**The dimension of the data.** `linear_layers` square matrices after the encoder change no function that the network can
express. But gradient descent on a product of matrices prefers products of low rank, so that the codes end up in a
subspace of as few dimensions as restoring needs (Jing et al. 2020). The number of eigenvalues of the covariance of the
codes that are not small is an estimate of the number of dimensions of the data, from one training:
`code_dimension` of an evaluation, `spectrum` here.

**Samples** are decoded draws of a Gaussian, or a mixture of Gaussians, fitted to the newest codes of the training
examples. There is no likelihood.

**What to expect.** Restored images are blurred where the code has too few dimensions or the decoder too few units: the
error that is left is detail. Width removes blur, as does training longer (docs/families/autoencoder.md has a table).
Samples are worse than restored images wherever the codes are not as the fitted density says.

**References.** Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks (2006). Baldi & Hornik,
Neural Networks and Principal Component Analysis (1989). Jing, Zbontar & LeCun, Implicit Rank-Minimizing Autoencoder
(2020). Ghosh et al., From Variational to Deterministic Autoencoders (2020).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.config import OptimizerConfig
from veridical.config.families.autoencoder import AutoencoderConfig
from veridical.families.fitted_codes import FittedCodes
from veridical.kinds import TermKind
from veridical.model import Batch, Encoder, Facts, Loss, Replayable, Space, refuse_shape
from veridical.nn.autoencoding import encoder_network
from veridical.nn.buffers import BufferRole
from veridical.nn.point_mass import PointMass
from veridical.nn.precision import as_weights, at_least_single
from veridical.objectives.reconstruction import ComparesFeatures, Features


class Autoencoder(FittedCodes, Replayable, Encoder, ComparesFeatures):
    """Autoencoder (module docstring: model, objective, units).

    Args:
        config: the choices; `network`, `width` and `depth` are for the networks built here.
        facts: space and number of the examples; one-hot codes need the number.
        encoder: your own module, (B, *shape) in data space → (B, latent_dim); not for one-hot codes.
        decoder: your own module, (B, latent_dim) → (B, *shape): logits (Bernoulli), or values in data space.
        features: your own for `perceptual_weight`, (B, *shape) → (B, ...) or a sequence of such; its weights do not
            learn. None: `veridical.train` takes the extractor `perceptual_features`.

    Raises:
        ValueError: choices that do not fit the data, or each other.

    Examples:
        >>> model = Autoencoder(AutoencoderConfig(latent_dim=2, width=8), Space((3,), kind="vector", support=None,
        ...     levels=None))
        >>> model.reconstruct(torch.zeros(5, 3)).shape
        torch.Size([5, 3])
    """

    term_kinds: ClassVar[Mapping[str, TermKind]] = {"model/loss": "objective"}
    buffer_roles: ClassVar = {"codes": BufferRole.PER_PROCESS, "seen": BufferRole.PER_PROCESS}
    papers = (
        "Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 2006. "
        "https://doi.org/10.1126/science.1127647",
        "Jing, Zbontar & LeCun, Implicit Rank-Minimizing Autoencoder, NeurIPS 2020. https://arxiv.org/abs/2010.00679",
        "Ghosh, Sajjadi, Vergari, Black & Schölkopf, From Variational to Deterministic Autoencoders, ICLR 2020. "
        "https://arxiv.org/abs/1903.12436",
    )
    config: AutoencoderConfig
    codes: Tensor
    seen: Tensor

    def __init__(
        self,
        config: AutoencoderConfig,
        facts: Facts | Space,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        features: Features | None = None,
    ) -> None:
        super().__init__(facts, misfit_of(config, Facts.of(facts).space))
        refuse(config, self.facts, encoder)
        self.config, space = config, self.space
        self.latent_dim = min(32, space.dim) if config.latent_dim is None else config.latent_dim
        self.one_hot = config.code == "one-hot"
        self.latent_shape = (self.facts.n or 0,) if self.one_hot else (self.latent_dim,)
        kind = (config.network, config.width, config.depth)
        if self.one_hot:
            self.table = nn.Parameter(torch.randn(self.latent_shape[0], self.latent_dim))
        else:
            body = encoder_network(space, self.latent_dim, *kind) if encoder is None else encoder
            self.encoder = nn.Sequential(body, *linear_layers(self.latent_dim, config.linear_layers))
        self.decoder = self.built_decoder(*kind) if decoder is None else decoder
        self.use_features(features)
        kept = 0 if self.one_hot else min(config.kept, self.facts.n or config.kept)
        self.register_buffer("codes", torch.zeros(kept, self.latent_dim))
        self.register_buffer("seen", torch.zeros(kept, dtype=torch.bool))

    def player_parameters(self, player: str) -> list[dict[str, Any]]:
        """Return the weights; the learned scale, and the table of one-hot codes, whose rows move on their own."""
        table = self.table if self.one_hot else None
        fixed = [] if not isinstance(self.features, nn.Module) else list(self.features.parameters())
        groups: list[dict[str, Any]] = [{"params": self.weights_without(table, *fixed)}]
        groups += self.scale_group(self.config.optimizer.lr)
        return groups if table is None else [*groups, {"params": [table], "rows": True, "weight_decay": 0.0}]

    def pattern(self, step: int) -> Hashable | None:
        """Return one pattern: all steps are the same."""
        return ()

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer

    def loss(self, batch: Batch, *, player: str, step: int) -> Loss:
        """Compute the mean misfit.

        Terms: `loss`; `error`, the mean squared error in variances of the data; `psnr` of it in dB, where data are
        bounded; `sigma`, the learned scale; `perceptual`, the distance of features.
        """
        z = self.table[batch.index] if self.one_hot else self.encode(batch.x)
        self.keep(z, batch.index)
        h = at_least_single(self.decoder(z))
        loss = self.misfit(batch.x, h).mean()
        terms = self.accuracy_terms(batch.x, h)
        if self.perceptual_weight:
            terms["perceptual"] = self.feature_distance(batch.x, self.means(h))
            loss = loss + self.perceptual_weight * terms["perceptual"]
        return Loss(loss, {"loss": loss, **terms})

    @torch.no_grad()
    def keep(self, z: Tensor, index: Tensor) -> None:
        """Keep the codes (B, d) of the rows that have a place; a row without one shares it with others."""
        if len(self.codes):
            place = index % len(self.codes)
            self.codes[place] = z.to(self.codes.dtype)
            self.seen.index_fill_(0, place, True)

    def known_codes(self) -> Tensor:
        """Return (m, *latent_shape) the newest codes of training examples; one-hot codes are all of them."""
        if self.one_hot:
            return torch.eye(self.latent_shape[0], dtype=self.table.dtype, device=self.device)
        return self.codes[self.seen]

    @property
    def default_codes(self) -> str:
        """A Gaussian, but training examples for one-hot codes, between which it would mean nothing."""
        return "training" if self.one_hot else "gaussian"

    def encode(self, x: Tensor) -> Tensor:
        """Return (B, *latent_shape) codes of any examples; one-hot: of the training example restored most similarly."""
        refuse_shape(x, self.space, "autoencoder")
        if self.one_hot:
            return F.one_hot(self._nearest(x), self.latent_shape[0]).to(self.table.dtype)
        z = at_least_single(self.encoder(as_weights(x, self.encoder)))
        if z.shape != (len(x), self.latent_dim):
            raise ValueError(
                f"the encoder returned {tuple(z.shape)} for x of shape {tuple(x.shape)}; expected "
                f"{(len(x), self.latent_dim)}. Change the encoder or latent_dim."
            )
        return z

    def decoder_output(self, z: Tensor) -> Tensor:
        """Return logits or values in data space, (B, *event), for codes (B, *latent_shape)."""
        return at_least_single(self.decoder(z @ self.table if self.one_hot else z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return (B, *event) restored examples."""
        return self.decode(self.encode(x))

    def restore(self, batch: Batch) -> Tensor:
        """Return (B, *event) restored training examples; of one-hot codes, by their rows."""
        if not self.one_hot:
            return self.reconstruct(batch.x)
        return self.as_data(at_least_single(self.decoder(self.table[batch.index])))

    def posterior(self, x: Tensor) -> PointMass:
        """Return the code of every example, as a distribution without width over (B, *latent_shape)."""
        return PointMass(self.encode(x))

    @torch.no_grad()
    def spectrum(self) -> Tensor:
        """Return (d,) the eigenvalues of the covariance of the known codes, the largest first."""
        z = self.known_codes().flatten(1).double()
        return torch.linalg.svdvals(z - z.mean(0)).square() / max(len(z), 1)

    def _nearest(self, x: Tensor) -> Tensor:
        """Return (B,) the rows whose restored examples are nearest to x."""
        best = torch.full((len(x),), torch.inf, device=x.device)
        rows = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for index in torch.arange(self.latent_shape[0], device=x.device).split(1000):
            restored = self.as_data(at_least_single(self.decoder(self.table[index])))
            distance, row = torch.cdist(x.flatten(1), restored.flatten(1).to(x.dtype)).min(1)
            rows = torch.where(distance < best, index[row], rows)
            best = torch.minimum(best, distance)
        return rows


def linear_layers(dim: int, count: int) -> list[nn.Linear]:
    """Return square linear layers without offsets, with torch's own initial weights, as in the paper."""
    return [nn.Linear(dim, dim, bias=False) for _ in range(count)]


def misfit_of(config: AutoencoderConfig, space: Space) -> str:
    """Return the misfit: as chosen, or Bernoulli for two-valued data and Gaussian otherwise."""
    if config.reconstruction != "auto":
        return config.reconstruction
    return "bernoulli" if space.levels == 2 else "gaussian"


def refuse(config: AutoencoderConfig, facts: Facts, encoder: nn.Module | None) -> None:
    """Refuse choices that do not fit the data or each other; an encoder is None if it is not given in Python.

    Raises:
        ValueError: they do not.
    """
    if config.code == "one-hot" and (facts.n is None or encoder is not None):
        why = "the number of examples is not known" if facts.n is None else "an encoder is given as well"
        raise ValueError(f"code is 'one-hot', but {why}. Choose code='dense'.")
