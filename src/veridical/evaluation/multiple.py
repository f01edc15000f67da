r"""P-values of a whole table: a perfect model is accused of anything in at most 5 % of all tables.

Measurements whose tests exchanged the same examples (`exchange.Null`) have a known joint distribution: under each
relabelling all of them are known. Their p-values are adjusted by the step-down procedure of Westfall and Young: the
most extreme one is compared with the most extreme of the whole group under every relabelling, the next with the most
extreme of the rest, and so on. Dependence between metrics, which is strong, costs nothing. Between groups, whose joint
distribution is unknown, Bonferroni's inequality holds: the smallest p-value is multiplied by the number of groups in
which a measurement is left (Holm).

References:
    Westfall & Young, Resampling-Based Multiple Testing (1993), Algorithm 2.8.
    Holm, A simple sequentially rejective multiple test procedure (1979).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import special

from veridical.evaluation.exchange import Null, rank_p_value
from veridical.evaluation.measurement import Measurement
from veridical.verdict import LEVEL, Test, resized


def adjusted(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return the measurements with tests whose p-values allow for all the others.

    Measurements with a reference but without a test get the z-test of two intervals. What has no reference has no test.

    Args:
        measurements: of one evaluation, in any order; the order is kept.
    """
    tests = {i: m.tested for i, m in enumerate(measurements)}
    tests = {i: test for i, test in tests.items() if test is not None}
    table = list(tests.values())
    judged = {
        i: replace(_resized(test, step), adjusted=p, critical=step.critical, null=None)
        for (i, test), step, p in zip(tests.items(), first_step(table), adjusted_p_values(table), strict=True)
    }
    return [replace(m, test=judged[i]) if i in judged else m for i, m in enumerate(measurements)]


def adjusted_p_values(tests: Sequence[Test]) -> list[float]:
    """Adjust p-values step by step, most significant first (module docstring).

    Args:
        tests: with their nulls where they exchanged examples; tests without one are groups of their own.

    Returns:
        The adjusted p-values in the order of the tests; rejecting those below .05 accuses a perfect model of anything
        with probability at most .05.
    """
    groups = _groups(tests)
    result, least = [1.0] * len(tests), 0.0
    while groups:
        steps = {key: _most_significant(tests, group) for key, group in groups.items()}
        key, (first, p) = min(steps.items(), key=lambda item: item[1][1])
        least = max(least, min(1.0, p * len(groups)))
        result[first] = least
        groups[key].remove(first)
        if not groups[key]:
            del groups[key]
    return result


class FirstStep(NamedTuple):
    """Where a test alone is significant in the first step, so that the whole table is held at 5 %."""

    level: float
    """Below this p-value."""

    critical: float
    """From this extremity on (`exchange.Null`): a standard normal one where the test shares its null with no other."""


def first_step(tests: Sequence[Test]) -> list[FirstStep]:
    """Return the first step of every test of one table.

    Args:
        tests: of the table.
    """
    groups = _groups(tests)
    share = LEVEL / max(1, len(groups))
    found = [FirstStep(share, float(special.ndtri(1 - share / _sides(test)))) for test in tests]
    for members in groups.values():
        if len(members) > 1:
            extremity = np.stack([tests[i].null.extremity for i in members])
            critical = float(np.quantile(extremity.max(axis=0), 1 - share, method="higher"))
            for i, row in zip(members, extremity, strict=True):
                beyond = max(float((row >= critical).mean()), 1.0 / len(row))
                found[i] = FirstStep(min(share, beyond), critical)
    return found


def _groups(tests: Sequence[Test]) -> dict[object, list[int]]:
    groups: dict[object, list[int]] = {}
    for i, test in enumerate(tests):
        groups.setdefault(test.null.key if isinstance(test.null, Null) else (i,), []).append(i)
    return groups


def _resized(test: Test, step: FirstStep) -> Test:
    """Return the test with the difference that it shows at its level in the table."""
    if isinstance(test.null, Null) and test.null.smallest is not None:
        return replace(test, detectable=test.null.smallest(step.critical))
    return resized(test, step.level, _sides(test))


def _sides(test: Test) -> int:
    return test.null.sides if isinstance(test.null, Null) else 2


def _most_significant(tests: Sequence[Test], group: list[int]) -> tuple[int, float]:
    """The test of a group that stands out most, and its p-value against the most extreme of the whole group."""
    if len(group) == 1:
        return group[0], tests[group[0]].p_value
    extremity = np.stack([tests[i].null.extremity for i in group])
    first = int(extremity[:, 0].argmax())
    highest = extremity.max(axis=0)
    return group[first], rank_p_value(highest)
