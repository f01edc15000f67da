r"""A law over few outcomes of known probability: the simplest law for measuring a discrete generator.

$$ P(x) = p_{k(x)}, \qquad k(x) = \sum_{i=1}^{d} x_i\, L^{d-i}, $$

an example being the d digits of its outcome in base L, so that d = 1 is one choice among L levels and L = 2 a word of
bits. All $L^d$ outcomes can be enumerated: probabilities, entropy and divergences are sums.

`zipf` and `zipf_bits` give their 32 outcomes the probabilities $\propto 1/(r+1)$, $r = 0, \dots, 31$: from 24.6 % to
0.8 %. One choice among 32 levels tests the probabilities only. Five bits also test their dependence, which a generator
can only take from its code: outcome $19 r + 5 \bmod 32$ has rank $r$, and the best law of independent bits is 0.524
nats away.
"""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.statistics import Estimate


@final
class Categorical:
    """A law over all vectors of d levels 0..L-1.

    Args:
        probabilities: (L^d,) of the outcomes.
        dim: digits d of an outcome.
        name: of the law in reports.
        version: of the definition; numbers of different versions are not comparable.

    Raises:
        ValueError: probabilities that are not positive or do not sum to 1, or whose number is not a d-th power.
    """

    def __init__(
        self, probabilities: Float[Tensor, " outcomes"], dim: int = 1, *, name: str = "categorical", version: int = 1
    ) -> None:
        p = probabilities.to(torch.float64)
        if p.ndim != 1 or not (p > 0).all() or abs(float(p.sum()) - 1.0) > 1e-6:
            raise ValueError(f"probabilities is {p.tolist()}; expected positive numbers that sum to 1.")
        levels = round(len(p) ** (1 / dim)) if dim > 0 else 0
        if levels < 2 or levels**dim != len(p):
            raise ValueError(f"there are {len(p)} probabilities and dim is {dim}; expected levels ** dim, levels > 1.")
        self.probabilities, self.dim, self.levels = p / p.sum(), dim, levels
        self.name, self.version = name, version

    def __repr__(self) -> str:
        """Name, version, and size."""
        return f"Categorical({self.name} v{self.version}: {len(self.probabilities)} outcomes, {self.levels}^{self.dim})"

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest level."""
        return 0.0, self.levels - 1.0

    @property
    def outcomes(self) -> Float[Tensor, "outcomes d"]:
        """All outcomes in order, as examples."""
        index = torch.arange(len(self.probabilities))
        place = self.levels ** torch.arange(self.dim - 1, -1, -1)
        return (index[:, None] // place % self.levels).to(torch.float64)

    def index(self, x: Float[Tensor, "*batch d"]) -> Int[Tensor, "*batch"]:
        """Return the outcome of each example; -1 where a component is not exactly one of the levels.

        Raises:
            ValueError: examples of another dimension.
        """
        if x.shape[-1] != self.dim:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; {self.name} has {self.dim} components: pass (*batch, {self.dim})."
            )
        place = self.levels ** torch.arange(self.dim - 1, -1, -1, device=x.device)
        valid = ((x == x.round()) & (x >= 0) & (x < self.levels)).all(-1)
        return torch.where(valid, (torch.where(valid[..., None], x, 0.0).long() * place).sum(-1), -1)

    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        """Draw n examples, in torch's default type unless another is given."""
        index = torch.multinomial(self.probabilities, n, replacement=True, generator=generator)
        return self.outcomes[index].to(dtype or torch.get_default_dtype())

    def log_prob(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        """Log-probability in nats; minus infinity off the levels."""
        index = self.index(x)
        log_p = self.probabilities.log().to(x)[index.clamp(min=0)]
        return torch.where(index < 0, -math.inf, log_p)

    def entropy(self) -> Estimate:
        """Entropy in nats, exact."""
        return Estimate(float(-(self.probabilities * self.probabilities.log()).sum()), 0.0)

    def mean(self) -> float:
        """Mean of all components, exact."""
        return float((self.probabilities @ self.outcomes).mean())

    def std(self) -> float:
        """Standard deviation of all components about their common mean, exact."""
        return math.sqrt(float((self.probabilities @ (self.outcomes - self.mean()).square()).mean()))


def zipf() -> Categorical:
    """One choice among 32 levels.

    Examples:
        >>> zipf()
        Categorical(categorical v1: 32 outcomes, 32^1)
        >>> round(zipf().entropy().value, 4)
        2.8759
    """
    return Categorical(_zipf(32), name="categorical")


def zipf_bits() -> Categorical:
    """The same 32 probabilities of words of 5 bits, dealt out so that every bit depends on the others.

    Examples:
        >>> zipf_bits()
        Categorical(categorical-bits v1: 32 outcomes, 2^5)
    """
    probabilities = torch.empty(32, dtype=torch.float64)
    probabilities[(19 * torch.arange(32) + 5) % 32] = _zipf(32)
    return Categorical(probabilities, dim=5, name="categorical-bits")


def _zipf(outcomes: int) -> Tensor:
    weight = 1 / torch.arange(1, outcomes + 1, dtype=torch.float64)
    return weight / weight.sum()
