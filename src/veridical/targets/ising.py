r"""The Ising model on a torus as a law whose truth is known: configurations to learn from, and their probabilities.

$$ p(x) = \frac1Z \exp\Big(K \sum_{\langle ij\rangle} x_i x_j\Big), \qquad x_i = \pm 1, $$

where every site has a bond to its right and one downwards. $Z$ is exact (Kaufman 1949), and so is every probability.
The divergence of any model with a likelihood follows, in both directions, from averages over samples:

$$ \mathrm{KL}(q\|p) = \mathbb E_q[\ln q - \ln p], \qquad \mathrm{KL}(p\|q) = \mathbb E_p[\ln p - \ln q]. $$

References:
    Kaufman, Crystal Statistics II, Phys. Rev. 76, 1232 (1949).
"""

from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from veridical.ising import CRITICAL_COUPLING, sample
from veridical.statistics import Estimate

_LARGEST = (256, 256)
"""Largest lattice whose correlations are computed: seconds on one core."""


@final
class Ising:
    """The Boltzmann law of spins on a torus.

    Args:
        height: number of rows, at least 2.
        width: number of columns; as many if left out.
        coupling: $K=J/kT$, critical if left out; negative ones on even sides only.

    Raises:
        ValueError: sides or a coupling whose torus is not solved.

    Examples:
        >>> law = Ising(4)
        >>> law
        Ising(4 x 4, K=0.440687)
        >>> round(law.log_partition, 10)
        15.5219154588
    """

    version = 1
    """Of the definition; numbers of different versions are not comparable."""

    support, levels = (-1.0, 1.0), 2
    """Spins."""

    def __init__(self, height: int, width: int | None = None, coupling: float = CRITICAL_COUPLING) -> None:
        self.height, self.width, self.coupling = height, height if width is None else width, float(coupling)
        for side in (self.height, self.width):
            if not isinstance(side, int) or side < 2:
                raise ValueError(f"a side is {side!r}; expected a whole number of sites, at least 2.")
        from veridical.ising import exact  # heavy to import, and not needed to name the law

        self.log_partition = float(exact.log_partition(self.height, self.width, self.coupling))

    def __repr__(self) -> str:
        """Sides and coupling."""
        return f"Ising({self.height} x {self.width}, K={self.coupling:.6g})"

    @property
    def name(self) -> str:
        """Name of the law in reports: ising:L at the critical coupling."""
        size = f"{self.height}" if self.height == self.width else f"{self.height}x{self.width}"
        return f"ising:{size}" + ("" if self.coupling == CRITICAL_COUPLING else f" at K={self.coupling:.6g}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one example: (1, height, width)."""
        return (1, self.height, self.width)

    def entropy(self) -> Estimate:
        """Exact entropy of a configuration, in nats: the negative log-likelihood of a perfect model per example."""
        from veridical.ising import exact

        per_site = float(exact.entropy_per_site(self.height, self.width, self.coupling))
        return Estimate(self.height * self.width * per_site, 0.0)

    def expectations(self) -> dict[str, float]:
        """Return exact expectations of observables (`evaluation.observables`); correlations up to 256 x 256 sites."""
        from veridical.ising import exact

        size = (self.height, self.width)
        found = {"energy_per_site": float(exact.energy_per_site(*size, self.coupling)), "magnetization": 0.0}
        if self.coupling:
            found["energy_spread"] = float(exact.specific_heat(*size, self.coupling)) / self.coupling**2
        if exact.torus_work(self.height, self.width) <= exact.torus_work(*_LARGEST):
            g = exact.torus_correlation(*size, self.coupling)
            half = float(g[0, self.width // 2] + g[self.height // 2, 0]) / 2
            found |= {"magnetization_squared": float(g.mean()), "correlation_half": half}
        return found

    def draw(self, n: int, seed: int = 0) -> UInt8[Tensor, "n 1 height width"]:
        """Draw n configurations as sites 0 (down) and 1 (up), the same for the same seed on any machine."""
        return torch.from_numpy(sample((self.height, self.width), n, self.coupling, seed=seed))[:, None]

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n 1 height width"]:
        """Draw n configurations as spins -1 and 1, in torch's default type unless another is given."""
        seed = int(torch.randint(2**62, (), generator=generator))
        return 2 * self.draw(n, seed).to(dtype or torch.get_default_dtype()) - 1

    def energy(self, x: Float[Tensor, "*batch 1 height width"]) -> Float[Tensor, "*batch"]:
        r"""Minus the logarithm of the weight, $-K\sum_{\langle ij\rangle}x_ix_j$, in nats.

        Args:
            x: spins, all exactly -1 or 1.

        Raises:
            ValueError: other shapes, or values that are not spins, on which the law is not defined.
        """
        if x.shape[-3:] != self.shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; {self!r} expects (*batch, {', '.join(map(str, self.shape))})."
            )
        if not (x.abs() == 1).all():
            raise ValueError(
                f"x has values from {float(x.min()):g} to {float(x.max()):g}; expected spins, -1 and 1 only."
            )
        bonds = x * (x.roll(-1, -1) + x.roll(-1, -2))
        return -self.coupling * bonds.sum((-3, -2, -1))

    def log_prob(self, x: Float[Tensor, "*batch 1 height width"]) -> Float[Tensor, "*batch"]:
        """Logarithm of the probability of configurations, in nats; exact."""
        return -self.energy(x) - self.log_partition
