"""Checks of what a model is given, with the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veridical.data.space import Space
from veridical.nn.default_heads import grid_of

if TYPE_CHECKING:
    from torch import Tensor


def refuse_labels(c: Tensor | None) -> None:
    """Refuse labels for a model that was trained without.

    Raises:
        ValueError: `c` is given.
    """
    if c is not None:
        raise ValueError("c is given, but this model was trained without labels; call without c.")


def refuse_shape(x: Tensor, space: Space, what: str) -> None:
    """Refuse examples of another shape than a model was built for.

    Args:
        x: (B, *event) examples.
        space: of the model.
        what: the model, in a word.

    Raises:
        ValueError: another shape.
    """
    if x.shape[1:] != space.shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; this {what} was built for {space.shape}. "
            f"Pass a batch (B, {', '.join(map(str, space.shape))})."
        )


def refuse_codes(z: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse codes of another shape than a model decodes.

    Args:
        z: (B, *shape) codes.
        shape: of a code.

    Raises:
        ValueError: another shape.
    """
    if z.shape[1:] != shape:
        raise ValueError(
            f"z has shape {tuple(z.shape)}; this model decodes codes (B, {', '.join(map(str, shape))}). "
            "Take them from prior, posterior or encode."
        )


def refuse_between_levels(x: Tensor, space: Space, known: Tensor | None = None) -> None:
    """Refuse values that data with levels do not have.

    Args:
        x: (B, ...) values in data space.
        space: of the data; without levels nothing is refused.
        known: bool, broadcast: which values count; None: all.

    Raises:
        ValueError: a value between the levels, or beyond them.
    """
    if space.levels is None:
        return
    grid = grid_of(space)
    strange = grid.between(x)
    strange = strange if known is None else strange & known.to(x.device)
    if bool(strange.any()):
        low, high = grid.low, grid.high
        have = f"values {low:g} and {high:g}" if grid.levels == 2 else f"{grid.levels} levels from {low:g} to {high:g}"
        raise ValueError(
            f"x holds {x[strange][0].item():.6g}; this model has probabilities of the {have} only. Round x to them, or "
            "map it to them from the values that it has."
        )
