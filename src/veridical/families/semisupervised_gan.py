r"""Semi-supervised GANs: a classifier with a class for fakes, trained on few labelled and many unlabelled examples.

**Model.** Of K classes and one more, "fake", the discriminator gives logits $l_1, \dots, l_K$ and $l_{K+1} = 0$. With
$Z(x) = \sum_{k \le K} e^{l_k(x)}$ the probability that an example is real, and the class probabilities of a real
example, are

$$ D(x) = \frac{Z(x)}{Z(x) + 1} = \sigma(\log Z(x)), \qquad p(k \mid x, \text{real}) = \frac{e^{l_k(x)}}{Z(x)} . $$

So $\log Z$ is an ordinary logit of being real, and everything that a game can choose (smoothing, penalties, noise)
applies to it.

**Objective.** The discriminator minimises, with labelled $(x, c)$, unlabelled $x_u$ and fakes $G(z)$,

$$ -\lambda\,\mathrm E \log p(c \mid x, \text{real}) + \tfrac12\bigl[-\mathrm E \log D(x_u)
   - \mathrm E \log(1 - D(G(z)))\bigr]. $$

The labels fix the differences of the $l_k$, the unlabelled examples their level: real examples must belong clearly to
*some* class and fakes to none, which moves the class borders to regions without data. The generator matches the mean of
the features $f$ before the last layer (mean over components, as in the authors' code):

$$ L_G = \lVert \mathrm E f(x_u) - \mathrm E f(G(z)) \rVert_1 / d . $$

Its samples are worse than those of an ordinary GAN, and the classifier needs this: perfect fakes would give no
information about the class borders (Dai et al., 2017).

**Which examples are labelled.** Batches come with all labels; of each class the first `labelled / classes` examples in
the order of training are kept in buffers, and no other label is ever used. The order, and so the choice, is a function
of the seed; the buffers are saved with the weights, and with several processes the first one chooses for all. At every
step, as many labelled examples as the batch holds are drawn from them with replacement.

References:
    Salimans et al., Improved Techniques for Training GANs (2016), §3.1 and §5. https://arxiv.org/abs/1606.03498
    Dai et al., Good Semi-supervised Learning That Requires a Bad GAN (2017). https://arxiv.org/abs/1705.09783
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor

from veridical.config.families.semisupervised_gan import SemiSupervisedGANConfig
from veridical.families.adversarial import AdversarialModel
from veridical.model import Batch, Classifier, Facts, Space, refuse_shape
from veridical.nn.adversarial import build_discriminator
from veridical.nn.buffers import BufferRole
from veridical.nn.discriminator import Discriminator
from veridical.nn.precision import at_least_single
from veridical.objectives.game import Turn, discriminator_turn, view


class SemiSupervisedGAN(AdversarialModel[SemiSupervisedGANConfig], Classifier):
    """A generator against a classifier with one additional class for fakes.

    Args:
        config: number of labels, and the choices of every game.
        facts: of the data, with classes.

    Raises:
        ValueError: the data have no labels or more classes than `labelled`, or the networks do not fit them.
    """

    papers = (
        "Salimans et al., Improved Techniques for Training GANs (2016), https://arxiv.org/abs/1606.03498",
        "Dai et al., Good Semi-supervised Learning That Requires a Bad GAN (2017), https://arxiv.org/abs/1705.09783",
    )
    discriminator: Discriminator
    buffer_roles: ClassVar = {
        "quota": BufferRole.LIVE,
        "labelled_x": BufferRole.LIVE,
        "labelled_c": BufferRole.LIVE,
        "labelled_index": BufferRole.LIVE,
    }
    quota: Tensor
    labelled_x: Tensor
    labelled_c: Tensor
    labelled_index: Tensor

    def __init__(self, config: SemiSupervisedGANConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        quota = quotas(config, space)
        super().__init__(config, facts, discriminator=build_discriminator(config, space, outputs=len(quota)))
        self.register_buffer("quota", quota)
        self.register_buffer("labelled_x", torch.zeros(config.labelled, *space.shape))
        self.register_buffer("labelled_c", torch.zeros(config.labelled, dtype=torch.int64))
        self.register_buffer("labelled_index", torch.full((config.labelled,), -1))
        self.full = False
        """Whether every class has its share, according to the buffers; not read back at every step."""
        self.register_load_state_dict_post_hook(SemiSupervisedGAN._look)

    def pattern(self, step: int) -> Hashable | None:
        """Return the pattern of every game; None while labelled examples are still collected."""
        return super().pattern(step) if self.full else None

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Compute the loss of labelled examples, and of the batch without its labels against fakes."""
        self.keep_labelled(batch)
        with torch.no_grad():
            x_fake = self.decode(self.prior(len(batch.x)))
        real, terms = discriminator_turn(self.game, self.real_logits, batch.x, x_fake, step=step)
        x, c = self.draw_labelled(len(batch.x))
        logits = self.class_logits(view(x, self.game, step))
        loss = F.cross_entropy(logits, c)
        terms |= {"class_loss": loss.detach(), "class_accuracy": (logits.argmax(1) == c).float().mean()}
        return Turn(self.config.class_weight * loss + real / 2, terms)

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Match the mean features of the batch."""
        x_fake = self.decode(self.prior(len(batch.x)))
        with torch.no_grad():
            wanted = self.features(view(batch.x, self.game, step)).mean(0)
        got = self.features(view(x_fake, self.game, step)).mean(0)
        return Turn((got - wanted).abs().mean(), {"feature_norm": wanted.norm()})

    def class_logits(self, x: Tensor) -> Tensor:
        """Return (B, K) logits of the classes, in full precision."""
        logits = self.discriminator(x)
        return at_least_single(logits)

    def real_logits(self, x: Tensor) -> Tensor:
        """Return (B,) logits log Z(x) of being real."""
        return self.class_logits(x).logsumexp(1)

    def logits(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Return (B,) logits of being real."""
        return self.real_logits(x)

    def features(self, x: Tensor) -> Tensor:
        """Return (B, d) features before the last layer, in full precision."""
        features = self.discriminator.features(x)
        return at_least_single(features)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Return (B, K) logits of the classes of examples (B, *space.shape) in data space, given that they are real.

        Raises:
            ValueError: the examples have another shape.
        """
        refuse_shape(x, self.space, "classifier")
        return self.class_logits(x)

    @torch.no_grad()
    def keep_labelled(self, batch: Batch) -> None:
        """Keep examples of the batch with their labels, until every class has its share.

        Raises:
            ValueError: the batch has no labels.
        """
        if batch.c is None:
            raise ValueError("the batch has no labels; a semi-supervised GAN needs them. Train the family gan instead.")
        if self.full:
            return
        empty = (self.labelled_index < 0).nonzero()[:, 0]
        have = torch.bincount(self.labelled_c[self.labelled_index >= 0], minlength=len(self.quota))
        chosen = first_of_each_class(batch.c, self.quota - have)
        chosen = chosen[~torch.isin(batch.index[chosen], self.labelled_index)][: len(empty)]
        slots = empty[: len(chosen)]
        self.labelled_x[slots] = batch.x[chosen].to(self.labelled_x.dtype)
        self.labelled_c[slots], self.labelled_index[slots] = batch.c[chosen], batch.index[chosen]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for buffer in (self.labelled_x, self.labelled_c, self.labelled_index):
                sent = buffer.contiguous()
                torch.distributed.broadcast(sent, 0)
                buffer.copy_(sent)
        self._look()

    def _look(self, *_: object) -> None:
        self.full = bool((self.labelled_index >= 0).all())

    def draw_labelled(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw n of the labelled examples kept so far, with replacement; return them and their classes."""
        if self.full:
            rows = torch.randint(len(self.labelled_x), (n,), device=self.labelled_x.device)
        else:
            kept = (self.labelled_index >= 0).nonzero()[:, 0]
            rows = kept[torch.randint(len(kept), (n,), device=kept.device)]
        return self.labelled_x[rows], self.labelled_c[rows]


def quotas(config: SemiSupervisedGANConfig, space: Space) -> Tensor:
    """Return (K,) numbers of labelled examples per class; the first classes get the remainder of the division by K.

    Raises:
        ValueError: there are no classes, or more than labels.
    """
    if space.classes is None or space.classes > config.labelled:
        raise ValueError(
            f"space has shape {space.shape} and {space.classes or 'no'} classes, with labelled = {config.labelled}; a "
            "semi-supervised GAN needs labelled data and a label for every class at least. Take data with labels, "
            'or train the family "gan".'
        )
    classes = torch.arange(space.classes)
    return config.labelled // space.classes + (classes < config.labelled % space.classes).long()


def first_of_each_class(c: Tensor, most: Tensor) -> Tensor:
    """Return the rows of labels (B,) that are among the first `most[k]` of their class k, in order.

    Examples:
        >>> first_of_each_class(torch.tensor([1, 0, 1, 1, 0]), torch.tensor([1, 2])).tolist()
        [0, 1, 2]
    """
    one_hot = F.one_hot(c, len(most))
    rank = (one_hot.cumsum(0) * one_hot).sum(1)  # 1 for the first of its class
    return (rank <= most[c]).nonzero()[:, 0]
