r"""How well a model restores the examples that it learned from, one peak signal-to-noise ratio for each.

$\mathrm{psnr}_i = 10 \log_{10}(\text{span}^2 / \text{mse}_i)$ dB, with the width of the support as the span: 35 dB are
a root mean square error of 4.5 levels of 255.

- restored: share of training examples of at least `ENOUGH` dB.
- restored_psnr: the median; restored_worst: the smallest.
- restored_detail: share of the finest detail of images that is kept, $\sum_i \langle L_0(x_i), L_0(\hat x_i)\rangle
  / \sum_i \lVert L_0(x_i) \rVert^2$ with the finest level $L_0$ of the Laplacian pyramid; 1 where none is lost, below 1
  for blur. Noise in restored images adds nothing to it.

None of them has the score of a perfect model: restoring training examples is no aim of a model of their distribution.
What is measured is memory, of models that are meant to have it.
"""

import math
import time

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.evaluation.density import BATCH
from veridical.evaluation.measurement import JSON, Interval, Measurement
from veridical.model import Restorer
from veridical.objectives.reconstruction import kept_detail, psnr
from veridical.statistics import mean_interval, wilson_interval

ENOUGH = 35.0
"""dB from which an example counts as restored."""

EXAMPLES = 10_000
"""Training examples that are restored at most."""

LISTED = 2_000
"""Examples of which each ratio is stated."""

BEST = 150.0
"""dB that are stated where nothing is left of the error."""


def measure_restoration(
    model: Restorer, data: ArrayData, rows: Float[Tensor, "n"], device: torch.device
) -> list[Measurement]:
    """Measure how training examples are restored (module docstring).

    Args:
        model: restores them.
        data: the training examples, of bounded support.
        rows: which of them.
        device: where the model is.
    """
    began = time.perf_counter()
    ratios, detail = restored(model, data, rows, device)
    sampled = len(rows) < len(data)
    values = ratios.tolist()
    order = ratios.argsort()
    each: dict[str, JSON] = {"limit_dB": ENOUGH, "training_examples": len(data)}
    enough = float((ratios >= ENOUGH).sum())
    listed: list[JSON] = [[int(rows[i]), round(values[i], 2)] for i in order[:LISTED].tolist()]
    shared = {"n": len(rows), "higher_is_better": True}
    found = [
        Measurement(
            "restored",
            enough / len(rows),
            "share",
            interval=wilson_interval(enough, len(rows)) if sampled else None,
            method="Wilson" if sampled else "",
            seconds=time.perf_counter() - began,
            detail={**each, "row_and_dB_from_the_worst": listed},
            **shared,
        ),
        Measurement(
            "restored_psnr",
            float(ratios.median()),
            "dB",
            interval=_of_the_median(ratios) if sampled else None,
            method="order statistics" if sampled else "",
            detail={**each, "mean": float(ratios.mean())},
            **shared,
        ),
        Measurement("restored_worst", values[int(order[0])], "dB", detail={"row": int(rows[order[0]])}, **shared),
    ]
    if detail is not None:
        interval = mean_interval(detail) if sampled else None
        method = "Student" if sampled else ""
        found.append(
            Measurement("restored_detail", float(detail.mean()), "1", interval=interval, method=method, **shared)
        )
    return found


@torch.no_grad()
def restored(
    model: Restorer, data: ArrayData, rows: Tensor, device: torch.device
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"] | None]:
    """Return (n,) ratios in dB, and (n,) kept detail over the mean detail of the images; None: no images.

    Args:
        model: restores them.
        data: the training examples, of bounded support.
        rows: which of them.
        device: where the model is.
    """
    assert data.space.support is not None
    low, high = data.space.support
    ratios, detail, own = [], [], []
    pictures = len(data.space.shape) == 3
    for part in rows.split(BATCH):
        batch = data.batch(part, device)
        again = model.restore(batch)
        ratios.append(psnr(batch.x.double(), again.double(), high - low).cpu().clamp(max=BEST))
        if pictures:
            kept, whole = kept_detail(batch.x.double(), again.double())
            detail.append(kept.cpu())
            own.append(whole.cpu())
    if not pictures or not float(torch.cat(own).mean()) > 0:
        return torch.cat(ratios), None
    return torch.cat(ratios), torch.cat(detail) / torch.cat(own).mean()


def _of_the_median(values: Tensor) -> Interval:
    """Return the 95 % interval of a median by order statistics (normal approximation of the binomial)."""
    n, ordered = len(values), values.sort().values
    half = 0.98 * math.sqrt(n)
    return float(ordered[max(0, math.floor(n / 2 - half))]), float(ordered[min(n - 1, math.ceil(n / 2 + half))])
