"""Checks of what a model is given, with the remedy; nothing heavy is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veridical.data.space import Space

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
