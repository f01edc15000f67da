"""The choices of a conditional GAN; the mathematics stands in `families/conditional_gan.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from veridical.config import checks
from veridical.config.families.adversarial import AdversarialConfig, AdversarialSampling


@dataclass(frozen=True)
class ConditionalGANSampling(AdversarialSampling):
    """Samples of a generator, of one class or of all."""

    labels: ClassVar[bool] = True


@dataclass(frozen=True)
class ConditionalGANConfig(AdversarialConfig):
    """A game whose generator draws the class it is told, learned from labelled data."""

    conditioning: Literal["concatenate", "projection", "auxiliary"] = "projection"
    """How the discriminator uses the label: shown beside the example (conditional GAN), as an inner product with its
    features (projection), or by telling it itself (AC-GAN)."""

    class_weight: float = 1.0
    """Weight of the class's cross-entropy, in nats, for both players (auxiliary)."""

    orthogonal_weight: float = 0.0
    """Weight of the generator's orthogonal regularisation |W W^T * (1 - I)|^2 (BigGAN: 1e-4)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("conditioning", self.conditioning, ("concatenate", "projection", "auxiliary"))
        checks.positive("class_weight", self.class_weight)
        checks.positive("orthogonal_weight", self.orthogonal_weight, zero=True)
        if self.class_weight != 1.0 and self.conditioning != "auxiliary":
            raise ValueError(
                f"class_weight is {self.class_weight} with conditioning {self.conditioning!r}; only an auxiliary "
                'classifier has one. Leave it at 1, or choose conditioning = "auxiliary".'
            )
        if self.pack > 1:
            raise ValueError(
                f"pack is {self.pack}; the examples of a batch have different labels and cannot be judged together. "
                'Leave pack at 1, or train the family "gan".'
            )
