r"""Conditional generative adversarial networks: examples of a requested class.

**Model.** $x = G(z, c)$ with $z$ from the prior and a label $c$; its distribution
$q(x \mid c)$ should equal $p(x \mid c)$. Small networks get the label one-hot, concatenated with $z$; residual networks
get it in the gains of their batch normalisation.

**Three uses of the label.** Fakes get the labels of the real examples of the batch, $c \sim p(c)$, so that the game is
about $p(x, c)$ and $q(x, c) = q(x \mid c)\,p(c)$ and a paired real example (`relativistic`) is of the same class.

- *concatenate*: $D(x, c)$ gets the label one-hot, concatenated with the example. The optimal logit is
  $\log p(x \mid c)/q(x \mid c)$, and with it the non-saturating loss is
  $2\log 2 - 2\,\mathrm E_c\,\mathrm{JS}(p(\cdot \mid c), q(\cdot \mid c))$.
- *projection*: $\ell(x, c) = \psi(\phi(x)) + \langle e_c, \phi(x) \rangle$, which is that log ratio for any
  $p(c \mid x)$ and $q(c \mid x)$ that are log-linear in features $\phi$. For Gaussians of one covariance, for example,
  $\phi(x) = (x, 1)$ suffices.
- *auxiliary*: $D(x)$ gets no label, but also predicts the class, $C(x)$. With a class weight $\lambda$

$$ L_D = -\mathrm E \log D(x) - \mathrm E \log(1 - D(\tilde x)) - \lambda\,\mathrm E \log C(c \mid x)
        - \lambda\,\mathrm E \log C(c \mid \tilde x), \qquad
   L_G = -\mathrm E \log D(\tilde x) - \lambda\,\mathrm E \log C(c \mid \tilde x). $$

  The last term favours examples far from the borders between classes: where classes overlap, too few samples are drawn.

**Assumptions.** Labels are integers; `sample` without labels draws them uniformly, `decode` takes 0, 1, 2, ... in turn.

References:
    Mirza & Osindero, Conditional Generative Adversarial Nets (2014). https://arxiv.org/abs/1411.1784
    Odena, Olah & Shlens, Conditional Image Synthesis with Auxiliary Classifier GANs (2017), §3.
        https://arxiv.org/abs/1610.09585
    Miyato & Koyama, cGANs with Projection Discriminator (2018), Eq. 3-5. https://arxiv.org/abs/1802.05637
    Brock, Donahue & Simonyan, Large Scale GAN Training (2019), §3 and Eq. 3. https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.config.families.conditional_gan import ConditionalGANConfig
from veridical.config.sampling import SamplingOptions
from veridical.data.refuse import refuse_codes
from veridical.families.adversarial import AdversarialModel, stands_alone
from veridical.model import Batch, Conditional, Facts, Space
from veridical.nn.adversarial import build_discriminator, build_generator, latent_dim_of
from veridical.nn.discriminator import Discriminator
from veridical.nn.orthogonal import orthogonal_penalties
from veridical.nn.precision import at_least_single
from veridical.nn.spectral import normalize_spectrum
from veridical.noise import Noise, noise_for
from veridical.objectives.game import Logits, Turn, discriminator_turn, generator_turn


class ConditionalGAN(AdversarialModel[ConditionalGANConfig], Conditional):
    """A generator of examples of a given class, against a discriminator that gets the class too.

    Args:
        config: use of the label, and the choices of every game.
        facts: of the data, with classes.
        generator: your own, ((B, latent_dim), (B,) labels) → (B, *space.shape) in data space; None: built here.
        discriminator: your own; (B, *space.shape) and (B,) labels → (B,) or (B, 1) logits, or, if auxiliary,
            (B, *space.shape) → (B, 1 + classes), the logit first; None: built by the configuration.

    Raises:
        ValueError: the data have no labels, the networks do not fit them, or a penalty is used with batch
            normalisation.
    """

    papers = (
        "Mirza & Osindero, Conditional Generative Adversarial Nets (2014), https://arxiv.org/abs/1411.1784",
        "Odena, Olah & Shlens, Conditional Image Synthesis with Auxiliary Classifier GANs (2017), "
        "https://arxiv.org/abs/1610.09585",
        "Miyato & Koyama, cGANs with Projection Discriminator (2018), https://arxiv.org/abs/1802.05637",
        "Brock, Donahue & Simonyan, Large Scale GAN Training for High Fidelity Natural Image Synthesis (2019), "
        "https://arxiv.org/abs/1809.11096",
    )

    def __init__(
        self,
        config: ConditionalGANConfig,
        facts: Facts | Space,
        *,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
    ) -> None:
        space = Facts.of(facts).space
        self.classes = classes_of(space)
        if discriminator is None:
            discriminator = conditional_discriminator(config, space, self.classes)
        if generator is None:
            generator = build_generator(config, space, latent_dim_of(config, space), self.classes)
        super().__init__(config, facts, generator=generator, discriminator=discriminator)
        if isinstance(discriminator, ProjectionDiscriminator):
            self.alone = stands_alone(discriminator.discriminator)

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the discriminator loss of the batch and of fakes of the same classes, which carry no graph."""
        c = labels_of(batch)
        with torch.no_grad():
            x_fake = self.decode(self.prior(len(batch.x)), c)
        if self.config.conditioning != "auxiliary":
            return discriminator_turn(self.game, self.given(c), batch.x, x_fake, step=step)
        classifier = Classifier(self)
        loss, terms = discriminator_turn(self.game, classifier, batch.x, x_fake, step=step)
        logits_real, logits_fake = torch.cat(classifier.classes)[: 2 * len(c)].chunk(2)  # in the order of its calls
        real, fake = F.cross_entropy(logits_real, c), F.cross_entropy(logits_fake, c)
        right = (logits_real.argmax(1) == c).float().mean()
        terms |= {"class_real": real.detach(), "class_fake": fake.detach(), "class_accuracy": right}
        return Turn(loss + self.config.class_weight * (real + fake), terms)

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the generator loss of fakes of the batch's classes."""
        c = labels_of(batch)
        x_fake = self.decode(self.prior(len(batch.x)), c)
        classifier = Classifier(self) if self.config.conditioning == "auxiliary" else None
        logits = self.given(c) if classifier is None else classifier
        loss, terms = generator_turn(self.game, logits, batch.x, x_fake, step=step)
        if classifier is not None:
            fake = F.cross_entropy(classifier.classes[0], c)
            loss, terms = loss + self.config.class_weight * fake, terms | {"class_fake": fake.detach()}
        if self.config.orthogonal_weight > 0:
            penalty = self.config.orthogonal_weight * orthogonal_penalties(self.generator)
            loss, terms = loss + penalty, terms | {"penalty_orthogonal": penalty.detach()}
        return Turn(loss, terms)

    def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) logits of examples of the classes c; an auxiliary discriminator ignores c."""
        if self.config.conditioning != "auxiliary":
            return super().logits(x, c)
        logits = self.discriminator(x)[:, 0]
        return at_least_single(logits)

    def given(self, c: Tensor) -> Logits:
        """Return the logits of examples of these classes, or of several batches of them, one after the other."""
        return lambda x: self.logits(x, c.repeat(len(x) // len(c)) if len(x) > len(c) else c)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B, *space.shape) in data space for codes (B, latent_dim) and labels (B,); None: 0, 1, 2, ... in turn.

        Raises:
            ValueError: the labels do not fit the codes or the classes, or the generator returns another shape.
        """
        refuse_codes(z, self.latent_shape)
        c = torch.arange(z.shape[0], device=z.device) % self.classes if c is None else c
        if c.shape != (z.shape[0],) or c.is_floating_point():
            raise ValueError(f"c has shape {tuple(c.shape)} and type {c.dtype}; expected ({len(z)},) integer labels.")
        return self.checked(self.generator(z, c), z)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        noise: Noise | None = None,
        options: SamplingOptions | None = None,
    ) -> Tensor:
        """Draw (n, *space.shape) examples in data space of the labels (n,); None: of labels drawn uniformly.

        Raises:
            ValueError: the number of labels is not n, or a label is outside the classes.
        """
        noise = noise_for(n, self.device, noise)
        if c is None:
            c = noise.integers(self.classes)
        elif bool(((c < 0) | (c >= self.classes)).any()):
            raise ValueError(f"c holds labels from {int(c.min())} to {int(c.max())}; expected 0 to {self.classes - 1}.")
        return self.decode(self.chosen_prior(n, noise, options), c)


class Classifier:
    """The logits of a discriminator with outputs for the classes; the class outputs of every call are kept."""

    def __init__(self, model: ConditionalGAN) -> None:
        self.model = model
        self.classes: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        """Return (B,) logits.

        Raises:
            ValueError: the discriminator returns another shape.
        """
        out, expected = self.model.discriminator(x), (len(x), 1 + self.model.classes)
        if out.shape != expected:
            raise ValueError(
                f"The discriminator returned shape {tuple(out.shape)} for {len(x)} examples; expected {expected}: one "
                "logit of being real, then one of every class."
            )
        out = at_least_single(out)
        self.classes.append(out[:, 1:])
        return out[:, 0]


class ProjectionDiscriminator(nn.Module):
    r"""The logit $\psi(\phi(x)) + \langle e_c, \phi(x) \rangle$.

    Args:
        discriminator: features $\phi$, and $\psi$ as its head of one output.
        classes: number of labels.
    """

    def __init__(self, discriminator: Discriminator, classes: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.embedding = nn.Embedding(classes, discriminator.feature_dim)
        nn.init.normal_(self.embedding.weight, std=discriminator.feature_dim**-0.5)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Return (B,) logits of examples (B, *event) in data space of labels (B,)."""
        features = self.discriminator.features(x)
        return self.discriminator.head(features)[:, 0] + (self.embedding(c) * features).sum(1)


def conditional_discriminator(config: ConditionalGANConfig, space: Space, classes: int) -> nn.Module:
    """Build the discriminator of the configuration.

    Raises:
        ValueError: the network does not fit the space.
    """
    if config.conditioning == "concatenate":
        return build_discriminator(config, space, classes=classes)
    if config.conditioning == "auxiliary":
        return build_discriminator(config, space, outputs=1 + classes)
    projection = ProjectionDiscriminator(build_discriminator(config, space), classes)
    return normalize_spectrum(projection) if config.spectral_norm else projection


def classes_of(space: Space) -> int:
    """Return the number of classes.

    Raises:
        ValueError: there are none.
    """
    if space.classes is None:
        raise ValueError(
            f"space has shape {space.shape} and no classes; a conditional GAN needs labelled data. Give a folder "
            'whose sub-folders are the classes, an npz with x and y, a labelled set, or train the family "gan".'
        )
    return space.classes


def labels_of(batch: Batch) -> Tensor:
    """Return the labels (B,) of a batch.

    Raises:
        ValueError: it has none, or they are not integer labels.
    """
    if batch.c is None or batch.c.dim() != 1 or batch.c.is_floating_point():
        got = "nothing" if batch.c is None else f"{batch.c.dtype} of shape {tuple(batch.c.shape)}"
        raise ValueError(f"c is {got}; a conditional GAN needs (B,) integer labels.")
    return batch.c
