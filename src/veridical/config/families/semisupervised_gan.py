"""Configuration and presets of a semi-supervised GAN; `families/semisupervised_gan.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field

from veridical.config import checks
from veridical.config.families.adversarial import AdversarialConfig, AdversarialSampling, both
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


def _optimizer() -> OptimizerConfig:
    return OptimizerConfig(lr=1e-3, betas=(0.5, 0.999), schedule="linear")


@dataclass(frozen=True)
class SemiSupervisedGANConfig(AdversarialConfig):
    """A discriminator that is also a classifier, trained on few labelled and many unlabelled examples."""

    labelled: int = 100
    """Number of labelled examples, equally many per class; all other labels are ignored."""

    class_weight: float = 1.0
    """Weight of the cross-entropy of the labelled examples, in nats."""

    relativistic: bool = False
    """Fixed: D = Z/(Z + 1) is computed for every example alone."""

    r1: float = 0.0
    r2: float = 0.0
    generator_optimizer: OptimizerConfig = field(default_factory=_optimizer)
    discriminator_optimizer: OptimizerConfig = field(default_factory=_optimizer)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("labelled", self.labelled)
        checks.positive("class_weight", self.class_weight)
        if self.relativistic or self.objective != "nonsaturating":
            raise ValueError(
                f"objective is {self.objective!r}, relativistic {self.relativistic}; the probabilities of K classes "
                'and of a fake fix the cross-entropy. Leave objective = "nonsaturating" and relativistic = false.'
            )
        if self.pack > 1 or self.minibatch != "none":
            raise ValueError(
                f"pack is {self.pack}, minibatch {self.minibatch!r}; the class of an example must not depend on the "
                'others of its batch. Leave pack = 1 and minibatch = "none".'
            )


FAMILY = Family(
    config=SemiSupervisedGANConfig,
    sampling=AdversarialSampling,
    about="A classifier trained on few labelled and many unlabelled examples.",
    purpose="labels",
    good_at="classification with few labels",
    weak_at="poor samples: the training favours the classifier",
    needs=("labels",),
    smallest=SemiSupervisedGANConfig(latent_dim=4, width=8, labelled=20),
    presets={
        "semisupervised": Preset(
            "A classifier from 100 labels, with fakes as one more class and feature matching.",
            model=SemiSupervisedGANConfig(instance_noise=0.3, instance_noise_steps=None),
            training=TrainingConfig(steps=3_000),
            paper="Salimans et al., Improved Techniques for Training GANs (2016), https://arxiv.org/abs/1606.03498",
            deviates="residual convolutions or perceptrons of this library without weight normalisation or dropout; "
            "noise on the input alone; batch 64, not 100; a learning rate of 1e-3 that falls to 0 in 3,000 "
            "steps, not 300 epochs at 3e-3 and less; an average of 0.999",
            published="MNIST, 100 labels: 93 errors of 10,000 (± 6.5)",
            measured="digits, 100 labels: 7.2 % of the test wrong, 9.8 % with the labels alone (three seeds, 9 s); "
            "fashion-mnist-10k: fashion-28 distance 17.5 (17.3 to 17.7), recall 0.00, 129 steps of 64 in 24 s",
        ),
        "semisupervised-paper": Preset(
            "The same with the paper's perceptrons for MNIST: noise on every layer, weight normalisation.",
            model=SemiSupervisedGANConfig(
                network="noisy-mlp",
                latent="uniform",
                latent_dim=100,
                instance_noise=0.6,
                instance_noise_steps=None,
                **both(OptimizerConfig(lr=3e-3, betas=(0.5, 0.999), schedule="trapezoid")),
            ),
            training=TrainingConfig(steps=18_000, batch_size=100),
            paper="Salimans et al., Improved Techniques for Training GANs (2016), https://arxiv.org/abs/1606.03498",
            deviates="30 epochs of 60,000 examples, not 300, and a step that is constant for half of them, not for two "
            "thirds; weights start without statistics of a first batch; the generator matches features by mean "
            "distance, not by squares; an average of 0.999",
            published="MNIST, 100 labels: 93 errors of 10,000 (± 6.5)",
            measured="MNIST, 100 labels: 6.7 % of the test wrong, 27.2 % with the labels alone (three seeds, 10 epochs "
            "in 390 s of one thread)",
        ),
    },
)
