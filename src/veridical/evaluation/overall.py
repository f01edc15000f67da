"""The verdict on the whole table in words."""

from collections.abc import Iterable, Mapping, Sequence

from veridical.evaluation.measurement import Measurement
from veridical.verdict import examples_needed

SHORT, SUSPICIOUS, GOOD, UNDECIDED = "short of perfect", "suspicious", "as good as perfect", "undecided"

FEW = 3
"""Fewer measurements without fault than this do not make a model good."""

_LISTED = 4


def overall(measurements: Sequence[Measurement]) -> str:
    """Return the verdict on all measurements together.

    A lower bound that shows no fault decides nothing and is not counted.
    """
    judged = [x for x in measurements if x.verdict != "no reference" and not _silent(x)]
    if not judged:
        return "No measurement has a reference value, so there is no verdict."
    short, odd, open_, good = (
        [x for x in judged if x.verdict == verdict] for verdict in (SHORT, SUSPICIOUS, UNDECIDED, GOOD)
    )
    if len(judged) == 1 and not short + odd:
        return (
            f"Only one measurement has a reference, {judged[0].name}, and it shows no fault: too little to judge a "
            "model by."
        )
    if len(good) == len(judged) >= FEW:
        return f"All {len(judged)} measurements are as good as a perfect model's within the stated tolerances."
    parts = [f"short of a perfect model: {_names(short)}"] if short else []
    parts += [f"better than a perfect model, which is suspicious: {_names(odd)}"] if odd else []
    faults = len(short) + len(odd)
    what = f"{faults} {'differs' if faults == 1 else 'differ'} from a perfect model's; {'; '.join(parts)}"
    first = f"Of {len(judged)} measurements {what if faults else 'none shows a difference from a perfect model'}."
    return " ".join([first, *_rest(good, open_)])


def impossible(measurements: Mapping[str, Measurement]) -> list[str]:
    """Say that a likelihood beats the entropy of a known distribution; nothing where none does."""
    for name in ("kl_forward", "nats_test"):
        x = measurements.get(name)
        if x is not None and x.verdict == SUSPICIOUS and x.test is not None:
            return [
                "The model claims to know examples better than the distribution that they were drawn from, by "
                f"{abs(x.test.difference):.4g} nats ({name}). No model can: its likelihood is computed wrongly, or the "
                "held-out examples were used for training."
            ]
    return []


def listed(names: Sequence[str]) -> str:
    """Join names as in a sentence.

    Examples:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _silent(x: Measurement) -> bool:
    return x.bound == "lower" and x.verdict == UNDECIDED


def _rest(good: Sequence[Measurement], open_: Sequence[Measurement]) -> list[str]:
    """The measurements without fault: those where one is excluded, and those where it is not."""
    lines = [f"A difference beyond the tolerance is excluded for {_names(good)}."] if good else []
    if not open_:
        return lines
    needed = [found for x in open_ if x.test is not None and (found := examples_needed(x.n, x.test)) is not None]
    more = [found for found in needed if found > max(x.n for x in open_)]
    tell = f"; about {max(more):,} examples of each kind would decide them" if more and max(more) < 10**7 else ""
    n = max(x.n for x in open_)
    return [*lines, f"No difference is shown, and none excluded, at n = {n:,} for {_names(open_)}{tell}."]


def _names(found: Iterable[Measurement]) -> str:
    names = [x.name for x in found]
    more = len(names) - _LISTED
    return listed(names) if more <= 1 else listed([*names[:_LISTED], f"{more} others"])
