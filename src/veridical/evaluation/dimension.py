r"""The number of dimensions of data: of the points themselves, and of the codes of an encoder.

**Of points**, from distances $r_1 < r_2 < \dots < r_k$ to the nearest neighbours of each:

- *maximum likelihood* (Levina & Bickel 2005): with neighbours a Poisson process of locally constant density,
  $1/\hat m_i = \frac1{k-1} \sum_{j<k} \log (r_k / r_j)$, which is $1/m$ in expectation; its mean over the points is
  inverted (MacKay & Ghahramani 2005).
- *two nearest neighbours* (Facco et al. 2017): $\mu = r_2/r_1$ has the distribution $1 - \mu^{-m}$, so that
  $\hat m = n / \sum_i \log \mu_i$, whatever the density; at a fixed $n$ it sees the finest scale, noise included.

Both assume that the density hardly changes over the distance to the neighbours. In $m$ dimensions $n$ points reach a
scale of about $n^{-1/m}$ only, so that high dimensions are underestimated.

**Of codes**: the number of eigenvalues of the covariance of the codes above `SMALL` times the largest. The codes of an
autoencoder with extra linear layers fill as few directions as restoring needs (`families/autoencoder.py`).

References:
    Levina & Bickel, Maximum Likelihood Estimation of Intrinsic Dimension (2005).
    MacKay & Ghahramani, Comments on "Maximum Likelihood Estimation of Intrinsic Dimension" (2005).
        http://www.inference.org.uk/mackay/dimension/
    Facco, d'Errico, Rodriguez & Laio, Estimating the intrinsic dimension of datasets by a minimal neighborhood
        information (2017). https://doi.org/10.1038/s41598-017-11873-y
"""

import time
from dataclasses import asdict, dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.density import BATCH
from veridical.evaluation.measurement import Interval, Measurement
from veridical.model import Encoder

NEIGHBOURS = 10
SMALL = 0.01


@final
@dataclass(frozen=True)
class IntrinsicDimension:
    """Estimates of the number of dimensions of points."""

    likelihood: float
    """By maximum likelihood of `neighbours` distances."""

    likelihood_interval: Interval
    """95 %, of the delta method; points count as independent, although neighbours share distances."""

    two_nearest: float
    """By the two nearest neighbours."""

    two_nearest_interval: Interval
    """95 %, of the exponential distribution of log mu."""

    n: int
    """Different points."""

    neighbours: int

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return asdict(self)


def intrinsic_dimension(x: Float[Tensor, "n *event"], neighbours: int = NEIGHBOURS) -> IntrinsicDimension:
    """Return estimates of the number of dimensions of points (module docstring); equal points count once.

    Args:
        x: the points.
        neighbours: k of the maximum-likelihood estimate, at least 3.

    Raises:
        ValueError: fewer than k + 1 different points.
    """
    points = x.flatten(1).double().unique(dim=0)
    if neighbours < 3 or len(points) <= neighbours:
        raise ValueError(
            f"x has {len(points)} different points for {neighbours} neighbours; expected at least 3 neighbours, and "
            "more points than neighbours."
        )
    r = torch.cat([_nearest(part, points, neighbours) for part in points.split(500)])
    inverse = (r[:, -1:] / r[:, :-1]).log().sum(1) / (neighbours - 1)
    mean, error = float(inverse.mean()), 1.96 * float(inverse.std()) / len(points) ** 0.5
    ratio = (r[:, 1] / r[:, 0]).log()
    two, width = 1 / float(ratio.mean()), 1.96 / len(points) ** 0.5
    return IntrinsicDimension(
        likelihood=1 / mean,
        likelihood_interval=(1 / (mean + error), 1 / max(mean - error, 1e-12)),
        two_nearest=two,
        two_nearest_interval=(two * (1 - width), two * (1 + width)),
        n=len(points),
        neighbours=neighbours,
    )


def code_dimension(codes: Float[Tensor, "n *latent"]) -> tuple[int, list[float]]:
    """Return the number of directions that codes fill, and all eigenvalues over the largest, the largest first.

    Examples:
        >>> code_dimension(torch.tensor([[0.0, 0.0], [1.0, 0.001], [2.0, 0.0]]))[0]
        1
    """
    z = codes.flatten(1).double()
    values = torch.linalg.svdvals(z - z.mean(0)).square()
    share = values / values[0].clamp(min=1e-300)
    return int((share > SMALL).sum()), share.tolist()


def measure_code_dimension(model: Encoder, x: Float[Tensor, "n *event"], device: torch.device) -> list[Measurement]:
    """Measure code_dimension of the posterior means of examples.

    Args:
        model: the encoder.
        x: examples in data space.
        device: where the model is.
    """
    began = time.perf_counter()
    with torch.no_grad():
        codes = torch.cat([model.posterior(part.to(device)).mean.double().cpu() for part in x.split(BATCH)])
    found, spectrum = code_dimension(codes)
    return [
        Measurement(
            "code_dimension",
            float(found),
            "dimensions",
            len(x),
            higher_is_better=False,
            seconds=time.perf_counter() - began,
            detail={"of": codes.flatten(1).shape[1], "limit": SMALL, "eigenvalues_over_the_largest": list(spectrum)},
        )
    ]


def _nearest(part: Tensor, points: Tensor, k: int) -> Tensor:
    """Return (B, k) distances to the k nearest other points, nearest first."""
    distances = torch.cdist(part, points, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.topk(k + 1, dim=1, largest=False).values[:, 1:]  # a point is its own nearest
