"""Configuration and presets of a GAN for discrete data; `families/discrete_gan.py` has the mathematics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from veridical.config import checks
from veridical.config.families.adversarial import AdversarialConfig, AdversarialSampling, both
from veridical.config.families.family import Family, Preset
from veridical.config.training import OptimizerConfig, TrainingConfig


@dataclass(frozen=True)
class DiscreteGANSampling(AdversarialSampling):
    """Sampling from a generator of discrete levels."""

    temperature: float = 1.0
    """Draw each level from p(level)^(1/temperature); 1: the learned distribution; below 1: more probable levels are
    favoured."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive("temperature", self.temperature)


@dataclass(frozen=True)
class DiscreteGANConfig(AdversarialConfig):
    """A GAN whose generator draws every component from a few levels."""

    estimator: Literal["gumbel", "reinforce"] = "gumbel"
    """Gradient estimator of the draw: a relaxation (Gumbel-softmax), or REINFORCE with a leave-one-out baseline."""

    straight_through: bool = True
    """Gumbel-softmax: the discriminator receives drawn levels, and only the gradient uses the relaxation (straight
    through). False: the discriminator receives the relaxation."""

    temperature: float = 1.0
    """Temperature of the relaxation at the first step."""

    temperature_half_life: int | None = None
    """Half-life of the temperature, in steps; None: the temperature is constant."""

    final_temperature: float = 0.1
    """Lowest temperature."""

    fourier_octaves: int = 0
    """Octaves of random Fourier features that are added to the input of the MLP discriminator; 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("estimator", self.estimator, ("gumbel", "reinforce"))
        checks.positive("temperature", self.temperature)
        checks.positive("final_temperature", self.final_temperature)
        checks.positive("temperature_half_life", self.temperature_half_life)
        if self.temperature_half_life and self.final_temperature > self.temperature:
            raise ValueError(
                f"final_temperature is {self.final_temperature} and temperature {self.temperature}; expected a "
                "final_temperature that is not above temperature. Lower final_temperature."
            )
        if self.estimator == "reinforce":
            self._refuse_idle_choices()

    def _refuse_idle_choices(self) -> None:
        for field in ("straight_through", "temperature", "temperature_half_life", "final_temperature"):
            given, default = getattr(self, field), getattr(DiscreteGANConfig, field)
            if given != default:
                raise ValueError(
                    f'{field} is {given} with estimator "reinforce", without relaxation. Leave it at {default}, or '
                    'choose estimator "gumbel".'
                )
        if self.pack > 1:
            raise ValueError(
                f'pack is {self.pack} with estimator "reinforce", which needs the loss of every single example. Set '
                'pack to 1, or choose estimator "gumbel".'
            )


def _recipe(estimator: Literal["gumbel", "reinforce"]) -> DiscreteGANConfig:
    optimizer = OptimizerConfig(lr=2e-3, betas=(0.0, 0.99), schedule="linear")
    return DiscreteGANConfig(estimator=estimator, depth=2, **both(optimizer))


FAMILY = Family(
    config=DiscreteGANConfig,
    sampling=DiscreteGANSampling,
    about="A GAN whose generator draws every component from a few levels.",
    purpose="discrete",
    good_at="few outcomes, bits, tokens of small vocabularies",
    weak_at="images; long sequences",
    needs=("few-levels",),
    smallest=DiscreteGANConfig(latent_dim=4, width=8),
    presets={
        "discrete-gumbel": Preset(
            "For discrete data: gradients through the draws by Gumbel-softmax, straight-through.",
            model=_recipe("gumbel"),
            training=TrainingConfig(steps=500, batch_size=256, ema=0.99),
            paper="Jang, Gu & Poole (2017), https://arxiv.org/abs/1611.01144",
            published="none for GANs on a known distribution",
            measured="categorical: KL 0.0019; categorical-bits: KL 0.08 to 0.15; 4 s of processor (one or two seeds)",
        ),
        "discrete-reinforce": Preset(
            "For discrete data: gradients by REINFORCE with a leave-one-out baseline.",
            model=_recipe("reinforce"),
            training=TrainingConfig(steps=500, batch_size=256, ema=0.99),
            paper="Kool, van Hoof & Welling, Buy 4 REINFORCE samples, get a baseline for free (2019)",
            published="none for GANs on a known distribution",
            measured="categorical: KL 0.0009; categorical-bits: KL 0.009 to 0.013; 4 s of processor (one or two seeds)",
        ),
    },
)
