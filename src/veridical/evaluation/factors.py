r"""How well the codes of a model recover the true factors of its data, one by one.

For every code $c_i$ and every factor $f_j$, both cut into bins, the mutual information $I(c_i; f_j)$ in nats is
estimated from a table of counts. The score of unrelated columns of the same size is subtracted (the mean over
permutations of the rows; a table of $a \times b$ bins shows about $(a-1)(b-1)/2n$ nats where there are none). It is
divided by its largest possible value,

$$ S_{ij} = \frac{I(c_i; f_j) - I_0}{H(f_j) - I_0}, \qquad T_{ij} = \frac{I(c_i; f_j) - I_0}{H(c_i) - I_0}: $$

$S = 1$ where the code determines the factor (up to a bin), and 0 in expectation where the two are independent; $T = 1$
where the factor determines the code. Both are 1 only where code and factor are one-to-one. The *gap* of a factor is the
lead of its best code over the second best (the mutual information gap of Chen et al. 2018).

For a factor of 20 bins, a code of K values scores at most $\log K / \log 20$.

References:
    Chen, Li, Grosse & Duvenaud, Isolating Sources of Disentanglement in VAEs (NeurIPS 2018), Section 4.1.
        https://arxiv.org/abs/1802.04942
    Vinh, Epps & Bailey, Information Theoretic Measures for Clusterings Comparison (JMLR 2010), for the correction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from veridical.evaluation.measurement import Interval, Measurement

Matrix = Float[np.ndarray, "codes factors"]


@final
@dataclass(frozen=True)
class Recovery:
    """The mutual information of every code with every factor."""

    code_names: tuple[str, ...]
    """Names of the rows."""

    factor_names: tuple[str, ...]
    """Names of the columns."""

    information: Matrix
    """Mutual information in nats, minus the score of unrelated columns."""

    of_factor: Matrix
    """S: share of the entropy of the factor that the code explains."""

    of_code: Matrix
    """T: share of the entropy of the code that the factor explains."""

    standard_error: Matrix
    """Standard error of `of_factor`, by the bootstrap."""

    null: Float[np.ndarray, " factors"]
    """97.5 % quantile of the best score among as many unrelated codes."""

    n: int
    """Examples."""

    def best(self) -> dict[str, str]:
        """The code that explains most of each factor; one code may be the best for several."""
        return {name: self.code_names[i] for name, i in zip(self.factor_names, self.of_factor.argmax(0), strict=True)}

    def assignment(self) -> dict[str, str]:
        """Different codes for different factors with the largest sum of scores; surplus factors are left out."""
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(self.of_factor, maximize=True)
        return {self.factor_names[j]: self.code_names[i] for i, j in zip(rows, columns, strict=True)}

    def gap(self) -> Float[np.ndarray, " factors"]:
        """Lead of the best code of each factor over its second best, as shares of the factor's entropy.

        Raises:
            ValueError: there is only one code.
        """
        if len(self.code_names) < 2:
            raise ValueError("there is 1 code; a gap between the best and the second best needs 2.")
        first, second = np.sort(self.of_factor, axis=0)[-1:-3:-1]
        return first - second

    def interval(self, code: int, factor: int) -> Interval:
        """95 % interval of `of_factor`."""
        score, half = float(self.of_factor[code, factor]), 1.96 * float(self.standard_error[code, factor])
        return score - half, score + half

    def measurements(self) -> list[Measurement]:
        """One measurement for each factor: the score of its best code, with the null in its details."""
        return [self._measured(j, int(i)) for j, i in enumerate(self.of_factor.argmax(0))]

    def _measured(self, factor: int, code: int) -> Measurement:
        return Measurement(
            f"recovered_{self.factor_names[factor]}",
            float(self.of_factor[code, factor]),
            "share",
            self.n,
            higher_is_better=True,
            interval=self.interval(code, factor),
            method="bootstrap",
            reference=1.0,
            reference_kind="ceiling",
            detail={
                "code": self.code_names[code],
                "nats": float(self.information[code, factor]),
                "share of the code": float(self.of_code[code, factor]),
                "null": float(self.null[factor]),
            },
        )


def recover(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    code_names: Sequence[str] | None = None,
    factor_names: Sequence[str] | None = None,
    bins: int = 20,
    resamples: int = 200,
    seed: int = 0,
) -> Recovery:
    """Measure the mutual information of every code with every factor.

    Args:
        codes: (n, codes) values of the codes of n examples.
        factors: (n, factors) values of their factors.
        code_names: names of the codes; None: code 0, code 1, ...
        factor_names: names of the factors; None: factor 0, factor 1, ...
        bins: equally filled bins of a column with more different values; other columns keep their values.
        resamples: number of permutations for the null, and of resamples for the standard errors.
        seed: of both.

    Raises:
        ValueError: shapes or names that do not match, too few rows, values that are not finite, a constant factor.

    Examples:
        >>> f = np.random.default_rng(0).uniform(size=(1000, 2))
        >>> recover(-f[:, ::-1], f).of_factor.round(1)
        array([[0., 1.],
               [1., 0.]])
    """
    c, f = _columns("codes", codes), _columns("factors", factors)
    if len(c) != len(f) or len(c) < 2 * bins:
        raise ValueError(
            f"codes has {len(c)} rows and factors {len(f)}; expected as many, at least two for each bin ({2 * bins})."
        )
    if bins < 2 or resamples < 20:
        raise ValueError(f"bins is {bins} and resamples {resamples}; expected at least 2 and 20.")
    names = _names("code", code_names, c.shape[1]), _names("factor", factor_names, f.shape[1])
    c, f = (np.stack([discretise(column, bins) for column in table.T], 1) for table in (c, f))
    constant = [name for name, column in zip(names[1], f.T, strict=True) if column.max() == 0]
    if constant:
        raise ValueError(f"{', '.join(constant)} never varies; leave out factors that are constant.")
    return _recovery(c, f, names, resamples, np.random.default_rng(seed))


def discretise(values: Float[np.ndarray, " n"], bins: int = 20) -> Int[np.ndarray, " n"]:
    """Number the values of a column: one number for each value if there are at most `bins`, else one for each bin.

    Examples:
        >>> discretise(np.array([0.3, 7.0, 0.3]))
        array([0, 1, 0])
        >>> discretise(np.arange(6.0), bins=2)
        array([0, 0, 0, 1, 1, 1])
    """
    levels, index = np.unique(values, return_inverse=True)
    if len(levels) <= bins:
        return index
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)[1]


def mutual_information(table: Float[np.ndarray, "a b"]) -> float:
    r"""Mutual information $\sum p_{ab} \log p_{ab}/p_a p_b$ of a table of counts, in nats.

    Examples:
        >>> round(mutual_information(np.eye(4)), 4)
        1.3863
    """
    p = table / table.sum()
    independent = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / independent[seen])).sum())


def matched_accuracy(codes: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> float:
    """Share of examples whose label is the one assigned to their code, under the best one-to-one assignment.

    Codes have no names for the labels, so the assignment is free, and unrelated codes score more than 1 / K. Permute
    the codes to see how much more.

    Examples:
        >>> matched_accuracy(np.array([2, 2, 0, 1]), np.array([0, 0, 1, 1]))
        0.75
    """
    from scipy.optimize import linear_sum_assignment

    if codes.shape != labels.shape or codes.ndim != 1 or not len(codes):
        raise ValueError(f"codes has shape {codes.shape} and labels {labels.shape}; expected (n,) of both.")
    table = np.zeros((codes.max() + 1, labels.max() + 1))
    np.add.at(table, (codes, labels), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(codes))


def _recovery(
    c: Int[np.ndarray, "n codes"],
    f: Int[np.ndarray, "n factors"],
    names: tuple[tuple[str, ...], tuple[str, ...]],
    resamples: int,
    rng: np.random.Generator,
) -> Recovery:
    found = _information(c, f)
    of_f, of_c = np.array([_entropy(column) for column in f.T]), np.array([_entropy(column) for column in c.T])
    unrelated = np.stack([_information(c, f[rng.permutation(len(f))]) for _ in range(resamples)])
    nothing = unrelated.mean(0)
    resampled = np.stack([_information(c[rows], f[rows]) for rows in rng.integers(0, len(c), (resamples, len(c)))])
    room = of_f - nothing
    # A constant code scores 0, not 0 / 0.
    own = np.where(of_c > 0, of_c, np.inf)[:, None] - nothing
    return Recovery(
        code_names=names[0],
        factor_names=names[1],
        information=found - nothing,
        of_factor=(found - nothing) / room,
        of_code=(found - nothing) / own,
        standard_error=resampled.std(0, ddof=1) / room,
        null=np.quantile(((unrelated - nothing) / room).max(1), 0.975, axis=0),
        n=len(c),
    )


def _information(c: Int[np.ndarray, "n codes"], f: Int[np.ndarray, "n factors"]) -> Matrix:
    """Mutual information of every pair of columns, in nats."""
    sizes, others = c.max(0) + 1, f.max(0) + 1
    return np.array(
        [
            [
                mutual_information(np.bincount(a * others[j] + b, minlength=sizes[i] * others[j]).reshape(sizes[i], -1))
                for j, b in enumerate(f.T)
            ]
            for i, a in enumerate(c.T)
        ]
    )


def _entropy(column: Int[np.ndarray, " n"]) -> float:
    p = np.bincount(column) / len(column)
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def _columns(what: str, values: ArrayLike) -> Float[np.ndarray, "n d"]:
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(f"{what} has shape {table.shape}; expected (n, {what}), one column for each.")
    bad = ~np.isfinite(table).all(1)
    if bad.any():
        raise ValueError(f"{int(bad.sum())} rows of {what} are not finite; leave out examples that have no {what}.")
    return table


def _names(what: str, given: Sequence[str] | None, n: int) -> tuple[str, ...]:
    names = tuple(given) if given is not None else tuple(f"{what} {i}" for i in range(n))
    if len(names) != n:
        raise ValueError(f"{len(names)} names for {n} {what}s; expected one for each.")
    return names
