"""Draw samples otherwise than a model does: refined along its own discriminator, or of codes under a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from veridical.config.families.adversarial import LOGISTIC
from veridical.families.adversarial import AdversarialModel
from veridical.latent.plug_and_play import Prior, log_label, plug_and_play
from veridical.latent.refinement import DIVERGENCES, Divergence, normalised, refine, refine_codes
from veridical.model import Discriminating, GenerativeModel, LatentVariable, Sampler
from veridical.training.callbacks import seeded

DATA = "data"
"""The condition of looking like the data, to the model's own discriminator."""

CALIBRATION = 1024
"""Samples that fix the constant of a relativistic discriminator."""

DATA_STEP = 0.01
"""Time per step of a flow in data space, in variances of the data."""


@dataclass(frozen=True)
class Guidance:
    """What leads samples, and for how long; at most one of the two."""

    refine: Divergence | None = None
    """Let samples flow along the discriminator, down this divergence (`latent/refinement.py`)."""

    refine_in: Literal["auto", "data", "latent"] = "auto"
    """Where they flow; auto: vectors in data space, pictures in latent space, where they stay pictures."""

    refine_steps: int = 25
    """Steps of the flow."""

    condition: str | None = None
    """Draw codes whose pictures are of this class of Fashion-MNIST (0 to 9), or "data" (`latent/plug_and_play.py`)."""

    condition_steps: int = 200
    """Length of the chains."""

    def __post_init__(self) -> None:
        if self.refine is not None and self.condition is not None:
            raise ValueError("refine and condition are both given; choose one.")
        if self.refine is not None and self.refine not in DIVERGENCES:
            raise ValueError(f"refine is {self.refine!r}; expected one of {', '.join(DIVERGENCES)}.")
        if self.condition is not None and self.condition != DATA and not self.condition.isdecimal():
            raise ValueError(f"condition is {self.condition!r}; expected the number of a class, or {DATA!r}.")
        if self.refine_steps < 1 or self.condition_steps < 2:
            raise ValueError(
                f"refine_steps is {self.refine_steps} and condition_steps {self.condition_steps}; "
                "expected at least 1 and 2."
            )

    def __bool__(self) -> bool:
        """Whether anything leads."""
        return self.refine is not None or self.condition is not None


UNLED = Guidance()
"""Samples as the model draws them."""


def led(model: GenerativeModel, guidance: Guidance, c: Tensor | None, seed: int) -> Callable[[int], Tensor]:
    """Return what draws n examples from torch's global generator, led by the guidance.

    Args:
        model: in evaluation mode.
        guidance: what leads.
        c: (n,) labels that the model decodes under.
        seed: of the samples that fix the constant of a relativistic discriminator.

    Raises:
        ValueError: the model has no code, or no simple prior, or no discriminator to follow.
    """
    if guidance.refine is not None:
        return refined(model, guidance, c, seed)
    if guidance.condition is None:
        raise ValueError("guidance leads nowhere; choose refine or condition.")
    latent = codes_of(model)
    prior = prior_of(latent)
    condition = log_ratio(model, c) if guidance.condition == DATA else log_garment(model, int(guidance.condition))

    def draw(n: int) -> Tensor:
        drawn = plug_and_play(
            lambda z: latent.decode(z, c), condition, latent.prior(n), prior=prior, n_steps=guidance.condition_steps
        )
        return latent.decode(drawn.z, c)

    return draw


def refined(model: GenerativeModel, guidance: Guidance, c: Tensor | None, seed: int) -> Callable[[int], Tensor]:
    """Return what draws n examples and lets them, or their codes, flow along the discriminator."""
    assert guidance.refine is not None and isinstance(model, Sampler)
    sampler, space, logits = model, model.space, log_ratio(model, c)
    if guidance.refine != "kl":  # which alone does not see the constant
        with seeded(seed, model.device):
            logits = normalised(logits, sampler.sample(CALIBRATION if c is None else len(c), c))
    how: dict[str, Any] = {"divergence": guidance.refine, "n_steps": guidance.refine_steps}
    if guidance.refine_in == "data" or (guidance.refine_in == "auto" and space.kind == "vector"):

        def draw(n: int) -> Tensor:
            x = refine(logits, sampler.sample(n, c), step=DATA_STEP * space.std**2, **how)
            return x if space.support is None else x.clamp(*space.support)

        return draw
    latent = codes_of(model)
    if prior_of(latent) == "uniform":
        raise ValueError("codes flow freely, and this model's are uniform; let samples flow (refine_in 'data').")

    def draw_codes(n: int) -> Tensor:
        return latent.decode(refine_codes(logits, lambda z: latent.decode(z, c), latent.prior(n), **how), c)

    return draw_codes


def codes_of(model: GenerativeModel) -> LatentVariable:
    """Return the model as one that has codes.

    Raises:
        ValueError: it has none.
    """
    if not isinstance(model, LatentVariable):
        raise ValueError(f"{type(model).__name__} has no latent code to refine or condition.")
    return model


def log_ratio(model: GenerativeModel, c: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return the model's own estimate of log p/q, nats, up to a constant where it is relativistic.

    Raises:
        ValueError: its discriminator estimates something else.
    """
    if not isinstance(model, Discriminating):
        raise ValueError(f"{type(model).__name__} has no discriminator to follow.")
    if isinstance(model, AdversarialModel) and (model.config.objective not in LOGISTIC or model.config.pack > 1):
        raise ValueError(
            f"the discriminator learned with objective {model.config.objective!r} and pack {model.config.pack}; only "
            f"that of {', '.join(LOGISTIC)}, judging one example at a time, estimates the ratio of the densities."
        )
    return lambda x: model.logits(x, c)


def log_garment(model: GenerativeModel, label: int) -> Callable[[Tensor], Tensor]:
    """Return log p(label | picture) of the classifier of Fashion-MNIST that is shipped.

    Raises:
        ValueError: the pictures are not grey ones of 28x28, or there is no such class.
    """
    from veridical.evaluation.extractors.fashion import CLASSES, Fashion28

    space = model.space
    if space.kind != "image" or space.shape != (1, 28, 28):
        raise ValueError(f"the shipped classifier sees pictures (1, 28, 28); this model makes {space.shape}.")
    if not 0 <= label < CLASSES:
        raise ValueError(f"condition is {label}; Fashion-MNIST has the classes 0 to {CLASSES - 1}.")
    return log_label(Fashion28(model.device).logits, label)


def prior_of(model: LatentVariable) -> Prior:
    """Return the law of the codes.

    Raises:
        ValueError: it is neither standard normal nor uniform.
    """
    drawn_by = type(model).prior
    if drawn_by is LatentVariable.prior:
        return "normal"
    if isinstance(model, AdversarialModel) and drawn_by is AdversarialModel.prior:
        return model.config.latent
    raise ValueError(
        f"{type(model).__name__} draws codes in a way of its own; refine and condition need standard normal ones, "
        "or uniform ones."
    )
