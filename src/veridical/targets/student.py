r"""The multivariate t distribution: a law with heavy tails whose density and entropy are known.

$$ x = y \big/ \sqrt{u/\nu}, \quad y \sim \mathcal N(0, I_d), \; u \sim \chi^2_\nu, \qquad
   \log p(x) = c_{\nu d} - \tfrac{\nu+d}{2}\log\Big(1 + \frac{\lVert x\rVert^2}{\nu}\Big), \qquad
   c_{\nu d} = \log\Gamma\big(\tfrac{\nu+d}2\big) - \log\Gamma\big(\tfrac\nu2\big) - \tfrac d2\log\nu\pi . $$

All components of an example share one $u$: large values come together. Moments of order $\nu$ and above are infinite;
`heavy_tailed` has $\nu = 5$, so that variances, $\nu/(\nu-2) = 5/3$, and their standard errors exist.

References:
    Kotz & Nadarajah, Multivariate t Distributions and Their Applications (2004), Sec. 1.1 and 1.6 (entropy).
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.statistics import Estimate


@final
class Student:
    """The t distribution in d dimensions, centred at 0, with unit scale.

    Args:
        dim: number of components.
        dof: degrees of freedom, at least 1; the smaller, the heavier the tails.
        name: of the law in reports.
        version: of the definition; numbers of different versions are not comparable.

    Raises:
        ValueError: no components, or no degrees of freedom.
    """

    def __init__(self, dim: int, dof: int, *, name: str = "student", version: int = 1) -> None:
        if dim < 1 or not isinstance(dof, int) or dof < 1:
            raise ValueError(f"dim is {dim} and dof is {dof}; expected whole numbers, at least 1.")
        self.dim, self.dof, self.name, self.version = dim, dof, name, version

    def __repr__(self) -> str:
        """Name, version, and parameters."""
        return f"Student({self.name} v{self.version}: {self.dof} degrees of freedom in {self.dim} d)"

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        """Draw n examples, in torch's default type unless another is given; drawn in float64 in any case."""
        y = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        u = torch.randn(n, self.dof, generator=generator, dtype=torch.float64).square().sum(1)
        return (y / (u / self.dof).sqrt()[:, None]).to(dtype or torch.get_default_dtype())

    def log_prob(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        """Log-density in nats.

        Raises:
            ValueError: examples of another dimension.
        """
        if x.shape[-1:] != (self.dim,):
            raise ValueError(
                f"x has shape {tuple(x.shape)}; {self.name} lives in {self.dim} d: pass (*batch, {self.dim})."
            )
        return self._constant - (self.dof + self.dim) / 2 * torch.log1p(x.square().sum(-1) / self.dof)

    def entropy(self) -> Estimate:
        r"""Return the entropy in nats, exact: $\frac{\nu+d}2(\psi(\frac{\nu+d}2) - \psi(\frac\nu2)) - c_{\nu d}$."""
        psi = torch.digamma(torch.tensor([(self.dof + self.dim) / 2, self.dof / 2], dtype=torch.float64))
        return Estimate((self.dof + self.dim) / 2 * float(psi[0] - psi[1]) - self._constant, 0.0)

    @property
    def _constant(self) -> float:
        gammas = math.lgamma((self.dof + self.dim) / 2) - math.lgamma(self.dof / 2)
        return gammas - self.dim / 2 * math.log(self.dof * math.pi)


def heavy_tailed() -> Student:
    """The t distribution of 5 degrees of freedom in 8 dimensions.

    Examples:
        >>> heavy_tailed()
        Student(heavy-tailed v1: 5 degrees of freedom in 8 d)
    """
    return Student(8, 5, name="heavy-tailed")
