"""Sentences follow from numbers: each fault is named where it is shown, and nowhere else."""

from dataclasses import replace

import pytest

from veridical.evaluation.measurement import Measurement
from veridical.evaluation.summary import sentences
from veridical.verdict import Test

Interval = tuple[float, float]


def measured(
    name: str,
    value: float,
    interval: Interval | None,
    reference: float | None,
    between: Interval | None = None,
    *,
    higher: bool = False,
    unit: str = "nats",
    **rest: object,
) -> Measurement:
    kind = None if reference is None else "null"
    return Measurement(
        name,
        value,
        unit,
        1000,
        higher,
        interval,
        reference=reference,
        reference_kind=kind,
        reference_interval=between,
        **rest,  # type: ignore[arg-type]
    )


def kl(value: float, half: float, **rest: object) -> Measurement:
    return measured("kl_forward", value, (value - half, value + half), 0.0, **rest)  # type: ignore[arg-type]


JS = {"bound": "lower"}
CODE = {"detail": {"code": "code 1", "null": 0.2}}
CASES = [
    (kl(0.0, 0.1), "consistent with the 0 of a perfect model", True),
    (kl(0.5, 0.1), "KL(data || model) is 0.500 nats (0.400 to 0.600)", True),
    (kl(0.5, 0.1), "consistent with", False),
    (kl(0.5, 0.1, bound="upper"), "KL(data || model) is at most 0.500", True),
    (kl(0.5, 0.1, bound="lower"), "KL(data || model) is at least 0.500", True),
    (kl(0.0, 0.1, bound="lower"), "KL(", False),
    (measured("cross_entropy", 9.0, (8.8, 9.2), 8.0, (7.9, 8.1)), "lie where data are rare", True),
    (measured("cross_entropy", 7.0, (6.8, 7.2), 8.0, (7.9, 8.1)), "they lack variety", True),
    (measured("cross_entropy", 8.0, (7.8, 8.2), 8.0, (7.9, 8.1)), "-log p", False),
    (measured("js_discriminator", 0.3, (0.2, 0.4), 0.0, **JS), "is at least 0.300 nats", True),  # type: ignore[arg-type]
    (measured("js_discriminator", 0.0, (0.0, 0.1), 0.0, **JS), "discriminator", False),  # type: ignore[arg-type]
    (
        measured("class_match", 0.4, (0.3, 0.5), 0.9, (0.85, 0.95), higher=True, unit="share"),
        "40.0 % of samples look like the requested class, and 90.0 % of held-out examples look like their class: "
        "too few samples do.",
        True,
    ),
    (
        measured("class_match", 0.9, (0.85, 0.95), 0.9, (0.85, 0.95), higher=True, unit="share"),
        "too few",
        False,
    ),
    (
        measured("recovered_x", 0.8, (0.7, 0.9), 1.0, higher=True, unit="share", **CODE),  # type: ignore[arg-type]
        "The codes explain these shares of the factors: x (80.0 %, by code 1).",
        True,
    ),
    (
        measured("matched_classes", 0.8, (0.7, 0.9), None, higher=True, unit="share", **CODE),  # type: ignore[arg-type]
        "code 1 matches the class of 80.0 % of held-out examples; unrelated codes match at most 20.0 %",
        True,
    ),
    (
        measured("of_the_law", 0.4, (0.3, 0.5), 1.0, (0.99, 1.0), higher=True, unit="share"),
        "Only 40.0 % of samples (30.0 to 50.0 %)",
        True,
    ),
    (
        measured("factor_x", 0.5, (0.4, 0.6), 0.03, (0.0, 0.06), unit="1"),
        "Factors are distributed differently than in the data: x",
        True,
    ),
    (
        measured("prior_gap", 0.5, (0.4, 0.6), 0.0, (-0.1, 0.1), unit="1"),
        "do not follow the prior (kernel distance 0.500 (0.400 to 0.600)): samples are decoded from codes unlike those "
        "of the data.",
        True,
    ),
    (
        measured("active_units", 3.0, (3.0, 3.0), None, higher=True, unit="units", detail={"of": 8}),  # type: ignore[arg-type]
        "3 of 8 latent units are used",
        True,
    ),
]


@pytest.mark.parametrize(("m", "text", "said"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_said_of_a_number(m: Measurement, text: str, said: bool) -> None:
    assert any(text in sentence for sentence in sentences([m])[1:]) == said, sentences([m])


def test_denoising_is_said_beside_the_best_possible() -> None:
    error = measured("denoising_error", 0.5, (0.48, 0.52), 0.49, (0.47, 0.51), unit="noise variances")
    excess = measured("denoising_excess", 0.0, (-0.01, 0.01), 0.0, unit="noise variances")
    assert any(", consistent with 0" in s for s in sentences([error, excess]))
    worse = measured("denoising_excess", 0.2, (0.1, 0.3), 0.0, unit="noise variances")
    assert any("the best possible denoiser leaves" in s for s in sentences([error, worse]))


def share(name: str, value: float, reference: float = 0.9, n: int = 1000) -> Measurement:
    half = 0.02
    return measured(
        name,
        value,
        (value - half, value + half),
        reference,
        (reference - half, reference + half),
        higher=True,
        unit="share",
    )


def said(*found: Measurement) -> str:
    return " ".join(sentences(found)[1:])


def test_a_part_is_missing_only_where_precision_holds() -> None:
    assert "miss a part" in said(share("precision", 0.9), share("recall", 0.6))
    assert "Mode collapse" in said(share("precision", 0.9), share("recall", 0.2))
    both = said(share("precision", 0.3), share("recall", 0.1))
    assert "do not look like data" in both and "does not show that a part is missing" in both
    assert "Mode collapse" not in both and "miss a part" not in both


def test_copies_are_at_least_so_many() -> None:
    detail = {"exact_copies": 3, "null": "held-out data", "share_below": 0.12, "level": 0.01}
    near, copied = (
        measured(name, 0.1, (0.08, 0.12), 0.0, (0.0, 0.01), unit="share", detail=detail)  # type: ignore[arg-type]
        for name in ("memorised", "copied")
    )
    assert "at least 10.0 % of samples (8.0 to 12.0 %) are copies" in said(near, copied)


def test_power_is_said_in_the_size_of_faults() -> None:
    test = Test(0.0, (-0.03, 0.03), 0.5, 0.045, 0.05, "999 exchanges")
    found = [replace(share(name, 0.9), test=test) for name in ("precision", "recall")]
    text = said(*found)
    assert "a missing part of 5.0 % of the data that lies apart from the rest; samples unlike data" in text
    assert "a difference of 0.045 would have been seen" in text
    assert "80 %" not in said(share("precision", 0.9))  # no test, no power


@pytest.mark.parametrize(("back", "said"), [((-27.4, -23.3), True), ((-17.0, -16.0), False), (None, False)])
def test_both_estimates_of_log_z_are_compared(back: Interval | None, said: bool) -> None:
    test = measured("nats_test", -15.7, (-27.0, -14.9), None, higher=True, detail={"standard_error": 0.4})
    reverse = measured("nats_reverse", -25.4, back, None, higher=True, bound="lower")
    found = " ".join(sentences([test, measured("overfit_nats", 0.0, (-0.1, 0.1), 0.0), reverse]))
    assert ("Chains that go back give" in found) == said and "Held-out examples score" in found
