r"""Ways between codes: great circles where codes are normal, straight lines where they are not.

Codes of a standard normal prior in many dimensions have norms near $\sqrt d$. The middle of a straight line between two
of them has the norm $\sqrt{d/2}$, which no sample has. Spherical interpolation keeps to the shell: with the angle
$\omega$ between $a$ and $b$,

$$ \mathrm{slerp}(a, b, t) = \Big(\frac{\sin (1-t)\omega}{\sin\omega}\,\hat a + \frac{\sin t\omega}{\sin\omega}\,\hat b
   \Big)\,\big((1-t)\,|a| + t\,|b|\big), $$

a great circle in direction, and a straight line in norm, with both ends exact. For parallel codes it is the straight
line; opposite codes have no shortest way, so they are refused. Codes of one number have no direction to turn: the way
between them is the line.

Codes of examples are the means of their posteriors, the codes of a flow, or for models with a code of their own for
every training example these; models without any interpolate between their samples.

References:
    Shoemake, Animating Rotation with Quaternion Curves (1985). https://doi.org/10.1145/325165.325242
    White, Sampling Generative Networks (2016), Sec. 2.1. https://arxiv.org/abs/1609.04468
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.latent.encoding import NoCodesError, codes_of_batch
from veridical.model import Bijective, Encoder, GenerativeModel, Interpolating, LatentVariable
from veridical.noise import SampleNoise

PARALLEL, OPPOSITE = 1e-4, 1e-3
"""Angles, in radians from 0 and from pi, within which codes count as parallel, and as opposite."""


def slerp(first: Float[Tensor, "*batch d"], second: Float[Tensor, "*batch d"], t: float) -> Float[Tensor, "*batch d"]:
    """Return the point at the share t of the great circle from one code to the other (module docstring).

    Args:
        first: codes at t = 0.
        second: codes at t = 1.
        t: share of the way, from 0 to 1.

    Raises:
        ValueError: codes that are opposite to each other.

    Examples:
        >>> slerp(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 4.0]), 0.5).norm().round(decimals=4)
        tensor(3.)
    """
    if t in (0.0, 1.0):
        return second if t else first
    a, b = (torch.nn.functional.normalize(code.double(), dim=-1) for code in (first, second))
    # Of unit vectors, 2 atan2(|a - b|, |a + b|) keeps the digits that the arc cosine of their product loses.
    angle = 2 * torch.atan2((a - b).norm(dim=-1, keepdim=True), (a + b).norm(dim=-1, keepdim=True))
    if bool((angle > math.pi - OPPOSITE).any()):
        raise ValueError("two codes are opposite to each other, so no way between them is the shortest; choose others.")
    near = angle < PARALLEL
    safe = torch.where(near, torch.ones_like(angle), angle)
    weights = (torch.where(near, share, (share * safe).sin() / safe.sin()) for share in (1 - t, t))
    direction = sum(weight * code for weight, code in zip(weights, (a, b), strict=True))
    length = (1 - t) * first.double().norm(dim=-1, keepdim=True) + t * second.double().norm(dim=-1, keepdim=True)
    return (direction * length).to(first.dtype)


def between(
    model: LatentVariable, first: Float[Tensor, "B *latent"], second: Float[Tensor, "B *latent"], steps: int
) -> Float[Tensor, "steps B *latent"]:
    """Return codes on the way from one to the other, both ends included (module docstring).

    Args:
        model: whose codes they are.
        first: (B, *latent_shape) codes.
        second: (B, *latent_shape) codes.
        steps: number of points, at least 2.

    Raises:
        ValueError: fewer than two points, or opposite codes.
    """
    if steps < 2:
        raise ValueError(f"steps is {steps}; expected at least 2, the two ends.")
    shares = [step / (steps - 1) for step in range(steps)]
    if model.prior_kind != "normal" or first[0].numel() == 1:
        return torch.stack([torch.lerp(first, second, share) for share in shares])
    flat = [slerp(first.flatten(1), second.flatten(1), share).reshape(first.shape) for share in shares]
    return torch.stack(flat)


@torch.no_grad()
def interpolated(
    model: LatentVariable, first: Float[Tensor, "B *latent"], second: Float[Tensor, "B *latent"], steps: int = 8
) -> Float[Tensor, "steps B *event"]:
    """Return decoded codes on the way from one to the other, both ends included.

    Args:
        model: in evaluation mode.
        first: (B, *latent_shape) codes.
        second: (B, *latent_shape) codes.
        steps: number of points, at least 2.
    """
    if isinstance(model, Interpolating):
        return model.interpolate(first, second, steps)
    codes = between(model, first, second, steps)
    return model.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])


@torch.no_grad()
def codes_of(
    model: GenerativeModel, x: Float[Tensor, "B *event"], rows: Tensor | None, seed: int = 0
) -> Float[Tensor, "B *latent"]:
    """Return the codes of examples: inferred or computed, else the model's own of these rows, else those of samples.

    Args:
        model: in evaluation mode.
        x: (B, *event) examples in data space.
        rows: (B,) their rows in the training data; for models with codes of neither kind: numbers of samples. None:
            they are no training examples.
        seed: of the samples.

    Raises:
        ValueError: the model has no codes, or none of these rows.
    """
    if isinstance(model, Encoder | Bijective | Interpolating):
        return codes_of_batch(model, x, rows)["z"]
    if isinstance(model, LatentVariable) and rows is not None:
        return torch.cat([model.prior(1, SampleNoise(seed, row, 1, model.device)) for row in rows.tolist()])
    what = "no codes of given examples" if isinstance(model, LatentVariable) else "no codes"
    raise NoCodesError(f"{type(model).__name__} has {what}, so there is no way between two of them.")
