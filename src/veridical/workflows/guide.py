"""Draw codes otherwise than from the prior: refined along the model's own discriminator, or under a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from veridical.config.families.adversarial import LOGISTIC
from veridical.families.adversarial import AdversarialModel
from veridical.latent.flow import DIVERGENCES, Divergence, normalised, refine_codes
from veridical.latent.plug_and_play import Prior, log_label, plug_and_play
from veridical.model import Discriminating, GenerativeModel, LatentVariable
from veridical.training.callbacks import seeded

DATA = "data"
"""The condition of looking like the data, to the model's own discriminator."""

CALIBRATION = 1024
"""Samples that fix the constant of a relativistic discriminator."""


@dataclass(frozen=True)
class Guidance:
    """What leads the codes, and for how long; at most one of the two."""

    refine: Divergence | None = None
    """Let codes flow along the discriminator, down this divergence (`latent/flow.py`)."""

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
        """Whether anything leads the codes."""
        return self.refine is not None or self.condition is not None


UNLED = Guidance()
"""Codes as the model draws them."""


def led_codes(model: LatentVariable, guidance: Guidance, c: Tensor | None, seed: int) -> Callable[[int], Tensor]:
    """Return what draws n codes from torch's global generator, led by the guidance.

    Args:
        model: in evaluation mode.
        guidance: what leads the codes.
        c: (n,) labels that the model decodes under.
        seed: of the samples that fix the constant of a relativistic discriminator.

    Raises:
        ValueError: the model's prior is no simple one, or it has no discriminator to follow.
    """
    prior = prior_of(model)

    def decode(z: Tensor) -> Tensor:
        return model.decode(z, c)

    if guidance.refine is not None:
        if prior == "uniform":
            raise ValueError("refine lets codes flow freely, and this model's are uniform; use condition 'data'.")
        divergence, steps, logits = guidance.refine, guidance.refine_steps, log_ratio(model, c)
        if divergence != "kl":  # which alone does not see the constant
            logits = normalised(logits, own_samples(model, c, seed))
        return lambda n: refine_codes(logits, decode, model.prior(n), divergence=divergence, n_steps=steps)
    if guidance.condition is None:
        raise ValueError("guidance leads nowhere; choose refine or condition.")
    condition = log_ratio(model, c) if guidance.condition == DATA else log_garment(model, int(guidance.condition))
    length = guidance.condition_steps
    return lambda n: plug_and_play(decode, condition, model.prior(n), prior=prior, n_steps=length).z


@torch.no_grad()
def own_samples(model: LatentVariable, c: Tensor | None, seed: int) -> Tensor:
    """Draw samples, as many as there are labels."""
    assert isinstance(model, GenerativeModel)
    with seeded(seed, model.device):
        return model.decode(model.prior(CALIBRATION if c is None else len(c)), c)


def log_ratio(model: LatentVariable, c: Tensor | None) -> Callable[[Tensor], Tensor]:
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


def log_garment(model: LatentVariable, label: int) -> Callable[[Tensor], Tensor]:
    """Return log p(label | picture) of the classifier of Fashion-MNIST that is shipped.

    Raises:
        ValueError: the pictures are not grey ones of 28x28, or there is no such class.
    """
    from veridical.evaluation.extractors.fashion import CLASSES, Fashion28

    assert isinstance(model, GenerativeModel)
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
