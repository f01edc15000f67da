r"""The base of families that learn p(x | label) and p(x) with one network, and move samples towards a class.

During training a share `label_dropout` of the labels is replaced by one more label, which stands for none. The network
thus learns p(x) as well as p(x | c), and its output for a class can be exaggerated (Ho & Salimans 2022),

$$ F = F_\text{none} + w\,(F_c - F_\text{none}) . $$

With `label_dropout` 0 p(x) is not learned: such a model needs a label for whatever it computes (`needs_class`).

References:
    Ho & Salimans, Classifier-Free Diffusion Guidance (2022). https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor, nn

from veridical.model import Batch, Conditional, GenerativeModel, refuse_labels
from veridical.nn.precision import as_weights, at_least_single


class Guided(GenerativeModel, Conditional, ABC):
    """Labels, some of which are left out in training, and guidance (module docstring)."""

    network: nn.Module
    """(B, *event), (B,) levels and (B,) labels or None → (B, *event); the label `classes` stands for none."""

    label_dropout: float
    """Share of the labels that are replaced by none during training."""

    def learn_labels(self, labels: bool, dropout: float) -> None:
        """Set the number of classes that are learned: those of the data if `labels`, otherwise 0.

        Raises:
            ValueError: labels of data that have none.
        """
        if labels and self.space.classes is None:
            raise ValueError("labels is True, but the data have no labels; leave it out, or choose data with labels.")
        self.classes, self.label_dropout = (self.space.classes or 0) if labels else 0, dropout
        self.needs_class = labels and dropout == 0

    def training_labels(self, batch: Batch) -> Tensor | None:
        """Return the (B,) labels of a batch, some of them replaced by none; None for a model without labels.

        Raises:
            ValueError: the model learns labels, and the batch has none.
        """
        if not self.classes:
            return None
        if batch.c is None:
            raise ValueError("the batch has no labels, and this model learns p(x | c); give data with labels.")
        dropped = torch.rand(len(batch.c), device=batch.c.device) < self.label_dropout
        return batch.c.masked_fill(dropped, self.classes)

    def label_rows(self, n: int, c: Tensor | None) -> Tensor | None:
        """Return the labels that the network is given: those of c, or none for every row.

        Raises:
            ValueError: the labels do not fit the model.
        """
        if not self.classes:
            refuse_labels(c)
            return None
        if c is None:
            if self.needs_class:
                raise ValueError(
                    "c is missing, and this model has learned p(x | c) alone (label_dropout is 0); pass c."
                )
            return torch.full((n,), self.classes, device=self.device)
        if c.shape != (n,) or bool(((c < 0) | (c >= self.classes)).any()):
            raise ValueError(f"c is {c.tolist()}; expected {n} labels from 0 to {self.classes - 1}.")
        return c.to(self.device)

    def guided(self, y: Tensor, level: Tensor, c: Tensor | None, guidance: float = 1.0) -> Tensor:
        r"""Return the network's output, mixed as $F_\text{none} + w (F_c - F_\text{none})$ where the weight w is not 1.

        Args:
            y: (B, *event) in standard units.
            level: () or (B,) the network's input for noise or time.
            c: labels of `label_rows`.
            guidance: w.
        """
        level = level.to(y).expand(len(y))
        if c is None or guidance == 1:
            return self._output(y, level, c)
        none = self._output(y, level, torch.full_like(c, self.classes))
        return none + guidance * (self._output(y, level, c) - none)

    def _output(self, y: Tensor, level: Tensor, c: Tensor | None) -> Tensor:
        found = self.network(as_weights(y, self.network), as_weights(level, self.network), c)
        return at_least_single(found)

    def guidance_of(self, guidance: float, c: Tensor | None) -> float:
        """Return the weight of the class.

        Raises:
            ValueError: there is no class, or p(x) was not learned.
        """
        if guidance != 1 and (c is None or not self.classes):
            raise ValueError(f"guidance is {guidance}, but no class is given. Leave it out, or give a label.")
        if guidance != 1 and self.needs_class:
            raise ValueError(f"guidance is {guidance}; this model has not learned p(x), since its label_dropout is 0.")
        return guidance
