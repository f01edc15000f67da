r"""The abilities of a law, a distribution that is known.

Every law can be sampled. Everything else that is known of it is declared by the protocols below, and checked with
`isinstance`:

| ability | what is known | laws |
|---|---|---|
| `HasLevels` | the values of a component | categorical laws, bars and stripes, Ising lattices |
| `HasDensity` | $\log p(x)$ | mixtures, wells, t distributions, tones, categorical laws, bars, lattices |
| `HasScore` | $\nabla_x \log p_\sigma(x)$ at every noise level $\sigma$ | mixtures |
| `HasModes` | modes of one width, with their weights | mixtures of one width |
| `HasOutcomes` | few outcomes, with their probabilities | categorical laws |
| `HasDigits` | digits in every channel, with their shares | Stacked MNIST |
| `HasFactors` | the factors behind every example | shapes |
| `MeasuresFactors` | the factors of any example | shapes |
| `HasLogPartition` | the energy and $\log Z$ | Ising lattices, many wells |
| `HasObservables` | expectations of observables of spins | Ising lattices |
| `HasEntropy` | the entropy | mixtures, wells, t distributions, tones, categorical laws, bars, lattices |

Examples are in the units of the law. A law of bounded components states their range and the number of their values
(`HasLevels`): its `log_prob` is a probability, not a density, and `evaluation/target.py` converts examples where the
space of a data set is scaled otherwise.

A law of your own needs no base class: an object with `name`, `version` and `sample` is a `Law`; its other methods
decide which metrics apply.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from veridical.statistics import Estimate

__all__ = [
    "Estimate",
    "HasDensity",
    "HasDigits",
    "HasEntropy",
    "HasFactors",
    "HasLevels",
    "HasLogPartition",
    "HasModes",
    "HasObservables",
    "HasOutcomes",
    "HasScore",
    "Law",
    "MeasuresFactors",
]


@runtime_checkable
class Law(Protocol):
    """A distribution that can be sampled exactly."""

    @property
    def name(self) -> str:
        """Name of the law in reports."""
        ...

    @property
    def version(self) -> int:
        """Version of the definition; numbers of different versions are not comparable."""
        ...

    def sample(self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Draw (n, *event) examples, in torch's default type unless another is given."""
        ...


@runtime_checkable
class HasLevels(Protocol):
    """Every component takes one of finitely many equally spaced values."""

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value of a component."""
        ...

    @property
    def levels(self) -> int:
        """Number of values of a component."""
        ...


@runtime_checkable
class HasDensity(Protocol):
    """The density is known, or the probability where components have levels (`HasLevels`)."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return (*batch,) nats of examples (*batch, *event)."""
        ...


@runtime_checkable
class HasScore(Protocol):
    """The gradient of the log-density is known at every noise level."""

    def score(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:
        """Return the gradient of the log-density of the law convolved with N(0, sigma^2), of the shape of x."""
        ...


@runtime_checkable
class HasModes(Protocol):
    """A mixture of isotropic Gaussian modes of one width."""

    @property
    def modes(self) -> Tensor:
        """(K, d) centres."""
        ...

    @property
    def weights(self) -> Tensor:
        """(K,) probabilities."""
        ...

    @property
    def sigma(self) -> float:
        """Standard deviation of every mode."""
        ...

    def nearest_mode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest mode of each point (*batch, d), and the distance to it in widths."""
        ...

    def sample(self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Draw (n, d) points."""
        ...


@runtime_checkable
class HasOutcomes(Protocol):
    """Finitely many outcomes, few enough to be counted one by one."""

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value of a component."""
        ...

    @property
    def levels(self) -> int:
        """Number of values of a component."""
        ...

    @property
    def outcomes(self) -> Tensor:
        """(K, d) all possible examples."""
        ...

    @property
    def probabilities(self) -> Tensor:
        """(K,) of the outcomes."""
        ...

    def index(self, x: Tensor) -> Tensor:
        """Return the outcome of each example (*batch, d); -1 where it is not one of them."""
        ...


@runtime_checkable
class HasDigits(Protocol):
    """Every channel of an image shows a digit, drawn independently; the digits together are the mode."""

    @property
    def digit_shares(self) -> Tensor:
        """(10,) probabilities of the digits."""
        ...


@runtime_checkable
class HasFactors(Protocol):
    """Every example is a function of a few factors, which are known."""

    @property
    def vary(self) -> tuple[str, ...]:
        """Names of the factors that vary."""
        ...

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Names of all factors, one per column."""
        ...

    def factors(self, index: Tensor) -> Tensor:
        """Return (n, factors) of the rows (n,) of the data set."""
        ...

    def render(self, factors: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Return the examples (n, *event) of given factors."""
        ...


@runtime_checkable
class MeasuresFactors(HasFactors, Protocol):
    """The factors of any example, also of a generated one, can be measured."""

    def measure(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return factors (n, factors), nan where there are none, and (n,) how far from the law an example is.

        The distance is 0 for an example of the law, and 1 for one without any similarity to it.
        """
        ...


@runtime_checkable
class HasLogPartition(Protocol):
    """The density is known as an energy and its normalisation: log p = -energy - log Z."""

    @property
    def log_partition(self) -> float:
        """Log Z, exact."""
        ...

    def energy(self, x: Tensor) -> Tensor:
        """Return (*batch,) energies of examples (*batch, *event), in nats."""
        ...


@runtime_checkable
class HasObservables(Protocol):
    """Spins on a lattice of which expectations are known."""

    def expectations(self) -> dict[str, float]:
        """Return the exact expectations that are known, by the names of `evaluation.observables`."""
        ...


@runtime_checkable
class HasEntropy(Protocol):
    """The entropy is known, exactly or to a stated error."""

    def entropy(self) -> Estimate:
        """Return the entropy in nats per example; standard error 0 where it is exact."""
        ...
