"""The meaning of the numbers in plain sentences: what was measured, and what a perfect model scores.

A sentence names a fault only where the test of the measurement shows one (`Measurement.verdict`). Otherwise it says
that no difference is shown at this number of samples, because it proves no more. Brackets hold 95 % intervals.
"""

from collections.abc import Callable, Iterable, Mapping

from veridical.evaluation.measurement import Interval, Measurement
from veridical.evaluation.overall import SHORT, SUSPICIOUS, impossible, listed, overall
from veridical.evaluation.power import power
from veridical.verdict import NO_FAULT, WIDEST, far_short

Measured = Mapping[str, Measurement]


def sentences(measurements: Iterable[Measurement]) -> list[str]:
    """Return the sentences that the measurements justify, the overall verdict first."""
    m = {measurement.name: measurement for measurement in measurements}
    return [overall(list(m.values())), *(sentence for judge in JUDGES for sentence in judge(m))]


def _modes(m: Measured) -> list[str]:
    if "modes" not in m:
        return []
    x = m["modes"]
    reached = f"{_number(x.value)} of {x.detail.get('of')} modes"
    if x.verdict != SHORT:
        return [f"The samples cover {reached}, as a perfect model does with {x.n:,} samples."]
    missing = "high_quality" in m and _collapsed(m["high_quality"])  # then samples lie outside all modes
    what = "Mode collapse: the samples" if _collapsed(x) and not missing else "The samples"
    return [f"{what} cover {reached}; a perfect model covers {_perfect(x)}."]


def _mode_shape(m: Measured) -> list[str]:
    kl, quality, width, lines = m.get("mode_kl"), m.get("high_quality"), m.get("mode_width"), []
    if kl is not None and kl.verdict == SHORT:
        lines.append(f"The modes have wrong proportions: KL {_value(kl)}, a perfect model {_perfect(kl)}.")
    if quality is None:
        return lines
    if quality.verdict == SHORT:
        lines.append(
            f"Too many samples lie outside the modes: high quality {_value(quality)}, a perfect model "
            f"{_perfect(quality)}."
        )
    if width is not None and width.verdict == SHORT:
        lines.append(f"The modes are too wide: {_value(width)} times the width in the data distribution.")
    if width is not None and width.verdict == SUSPICIOUS:
        lines.append(f"The modes are too narrow: {_value(width)} times the width in the data distribution.")
    elif quality.verdict == SUSPICIOUS:
        lines.append(
            f"The modes are too narrow: high quality {_value(quality)}, a perfect model only {_perfect(quality)}."
        )
    return lines


def _divergence(m: Measured) -> list[str]:
    lines = []
    for name, text in (("kl_forward", "KL(data || model)"), ("kl_reverse", "KL(model || data)")):
        if name in m and (m[name].bound != "lower" or m[name].verdict == SHORT):
            bound = {"upper": " at most", "lower": " at least", None: ""}[m[name].bound]
            same = ", consistent with the 0 of a perfect model" if m[name].verdict in NO_FAULT else ""
            lines.append(f"{text} is{bound} {_value(m[name])}{same}.")
    return lines


def _distance(m: Measured) -> list[str]:
    x = m.get("fid") or m.get("kid")
    if x is None:
        return []
    name = x.name.upper()
    if x.verdict == SHORT:
        return [f"The samples differ from the data: {name} {_compared(x)}."]
    if x.verdict == SUSPICIOUS:
        return [f"The samples are closer to the training data than other real data are: {name} {_compared(x)}."]
    return [f"{name} shows no difference between samples and real data: {_compared(x)}{_from(x)}."]


def _spread(m: Measured) -> list[str]:
    precise = m.get("precision")
    elsewhere = precise is not None and precise.verdict == SHORT  # samples unlike data cover less, without a gap
    for x in (m[name] for name in ("recall", "coverage") if name in m):
        if x.verdict != SHORT:
            continue
        if elsewhere:
            return [
                f"The samples cover less of the distribution: {x.name} {_compared(x)}. Since they also look less like "
                "data, this alone does not show that a part is missing."
            ]
        what = "Mode collapse: the samples cover only a small part" if _collapsed(x) else "The samples miss a part"
        return [f"{what} of the distribution: {x.name} {_compared(x)}."]
    if "recall" not in m:
        return []
    x = m["recall"]
    if _blind(x):
        return [
            "There are too few examples to decide whether a part of the distribution is missing: recall "
            f"{_compared(x)}."
        ]
    return [f"No sign of a missing part of the distribution: recall {_compared(x)}{_from(x)}."]


def _shares_of_classes(m: Measured) -> list[str]:
    lines = []
    for x in (m[name] for name in ("class_shares", "cell_shares") if name in m):
        if x.verdict == SHORT:
            shares: list = x.detail["shares"]  # type: ignore[assignment]
            worst, p, q = shares[0]
            what, group = ("classes", "class") if x.name == "class_shares" else ("groups of similar examples", "group")
            lines.append(
                f"The {what} have other shares than in the data: {group} {worst} {_share(p)} of samples, {_share(q)} "
                "of real examples."
            )
    return lines


def _fidelity(m: Measured) -> list[str]:
    both = [m[name] for name in ("precision", "density") if name in m]
    for x in both:
        if x.verdict == SHORT:
            return [f"Some samples do not look like data: {x.name} {_compared(x)}."]
    for x in both:
        if x.verdict == SUSPICIOUS:
            why = "Possible causes: too little variety, blur, or copied training examples"
            return [f"The samples are more typical than real data: {x.name} {_compared(x)}. {why}."]
    if "precision" in m and _blind(m["precision"]):
        return [
            f"There are too few examples to decide whether samples look like data: precision "
            f"{_compared(m['precision'])}."
        ]
    if "precision" not in m:
        return []
    x = m["precision"]
    return [f"No sign of samples unlike data: precision {_compared(x)}{_from(x)}."]


def _memory(m: Measured) -> list[str]:
    if not {"memorised", "copied"} <= m.keys():
        return []
    near, copied, lines = m["memorised"], m["copied"], []
    exact = near.detail.get("exact_copies")
    count = f" {exact:,} are exact copies." if exact else ""
    if copied.verdict == SHORT:
        lines.append(
            f"The model memorises: at least {_share(copied.value)} of samples ({_shares(copied.interval)}) are copies, "
            f"much closer to one training example than to any other; copies that were changed are not counted.{count}"
        )
    if near.verdict == SHORT and near.value > 2 * copied.value:
        lines.append(
            f"{_share(near.value)} of samples ({_shares(near.interval)}) lie closer to training examples than held-out "
            "data do, but most are close to several of them: too little variety or blur, no copies."
        )
    if lines:
        return lines
    held_out = near.detail.get("null") == "held-out data"
    than = "held-out examples do" if held_out else "real examples do that are left out"
    below, level = float(str(near.detail["share_below"])), float(str(near.detail["level"]))
    far = ", fewer than of a perfect model" if below < level / 2 else ""
    return [
        f"No sign of memorising: {_share(below)} of samples lie as close to a training example as {_share(level)} of "
        f"{than}{far}.{count}"
    ]


def _likelihood(m: Measured) -> list[str]:
    if not {"overfit_nats", "nats_test"} <= m.keys():
        return []
    gap, test, bits = m["overfit_nats"], m["nats_test"], m.get("bits_per_dim")
    least, most = ("at least ", "at most ") if test.detail.get("likelihood") == "lower bound" else ("", "")
    shown = f", {most}{_value(bits)} per dimension" if bits is not None else ""
    scores = f"Held-out examples score {least}{_value(test)}{shown}.{_apart(m)}"
    if gap.verdict == SHORT:
        return [scores, f"The model overfits: training examples score {_value(gap)} more than held-out ones."]
    if gap.verdict == SUSPICIOUS:
        return [scores, f"Training examples score less than held-out ones, by {_value(gap)}: the two sets differ."]
    return [scores, f"No sign of overfitting: training minus held-out score is {_value(gap)}."]


def _apart(m: Measured) -> str:
    """Say where annealing and chains that go back disagree about log Z."""
    test, back = m["nats_test"], m.get("nats_reverse")
    error = test.detail.get("standard_error")
    if back is None or back.interval is None or not isinstance(error, float):
        return ""
    if back.interval[1] >= test.value - 1.96 * error:
        return ""
    return (
        f" Chains that go back give {_value(back)}: log Z is known no better than that, for annealing flatters where "
        "its chains miss a part of the model."
    )


def _typicality(m: Measured) -> list[str]:
    x = m.get("cross_entropy")
    if x is None or x.verdict in NO_FAULT:
        return []
    where = f"-log p of the samples is {_value(x)} on average; the entropy of the data is {_perfect(x)}"
    if x.verdict == SUSPICIOUS:
        return [f"The samples are more typical than data, so they lack variety: {where}."]
    return [f"The samples lie where data are rare: {where}."]


def _factors(m: Measured) -> list[str]:
    share, wrong = m.get("of_the_law"), [x for n, x in m.items() if n.startswith("factor_") and x.verdict == SHORT]
    lines = []
    if share is not None and share.verdict == SHORT:
        lines.append(
            f"Only {_share(share.value)} of samples ({_shares(share.interval)}) are valid examples of the data."
        )
    if wrong:
        names = [x.name.removeprefix("factor_") for x in wrong]
        lines.append(f"Factors are distributed differently than in the data: {listed(names)}.")
    found = {n.removeprefix("recovered_"): x for n, x in m.items() if n.startswith("recovered_")}
    if found:
        parts = [f"{name} ({_share(x.value)}, by {x.detail.get('code')})" for name, x in found.items()]
        lines.append(f"The codes explain these shares of the factors: {', '.join(parts)}.")
    return lines


def _classes(m: Measured) -> list[str]:
    lines, match = [], m.get("class_match")
    if match is not None:
        drawn = f"{_share(match.value)} of samples look like the requested class"
        real = f"and {_share(match.reference or 0.0)} of held-out examples look like their class"
        why = {SHORT: "too few samples do", SUSPICIOUS: "samples are more typical of their class than real examples"}
        lines.append(f"{drawn}, {real}{': ' + why[match.verdict] if match.verdict in why else ''}.")
    if "class_accuracy" in m:
        x = m["class_accuracy"]
        lines.append(f"The model classifies {_share(x.value)} of held-out examples correctly ({_shares(x.interval)}).")
    if "matched_classes" in m:
        x = m["matched_classes"]
        null = float(str(x.detail["null"]))
        lines.append(
            f"The code {x.detail['code']} matches the class of {_share(x.value)} of held-out examples; unrelated codes "
            f"match at most {_share(null)}."
        )
    return lines


def _denoising(m: Measured) -> list[str]:
    x, excess = m.get("denoising_error"), m.get("denoising_excess")
    if x is None:
        return []
    text = f"Denoising leaves {_value(x)} of the noise variance"
    if excess is None:
        return [f"{text} (1: no noise is removed)."]
    same = ", consistent with 0" if excess.verdict in NO_FAULT else ""
    return [f"{text}; the best possible denoiser leaves {_perfect(x)}. The excess is {_value(excess)}{same}."]


def _codes(m: Measured) -> list[str]:
    lines, active, gap, error = [], m.get("active_units"), m.get("prior_gap"), m.get("reconstruction_error")
    if active is not None:
        lines.append(f"{_number(active.value)} of {active.detail['of']} latent units are used.")
    if gap is not None and gap.verdict == SHORT:
        lines.append(
            f"The codes of the data do not follow the prior (kernel distance {_value(gap)}): samples are decoded from "
            "codes unlike those of the data."
        )
    if error is not None:
        other = float(str(error.detail["of_another_code"]))
        lines.append(
            f"The error of reconstructions is {_value(error)} of the variance of the data; from the code "
            f"of another example "
            f"{_number(other)}."
        )
    return lines


def _restored(m: Measured) -> list[str]:
    share, median, worst = m.get("restored"), m.get("restored_psnr"), m.get("restored_worst")
    if share is None or median is None or worst is None:
        return []
    count = round(share.value * share.n)
    return [
        f"It restores {count:,} of {share.n:,} training examples with at least {share.detail['limit_dB']:.0f} dB "
        f"(median {_number(median.value)} dB, worst {_number(worst.value)} dB)."
    ]


def _discrimination(m: Measured) -> list[str]:
    x = m.get("js_discriminator")
    if x is None or x.verdict != SHORT:
        return []
    return [
        f"The model's own discriminator separates samples from data: their Jensen-Shannon divergence is at least "
        f"{_value(x)} (the largest possible value is 0.693)."
    ]


JUDGES: tuple[Callable[[Measured], list[str]], ...] = (
    impossible,
    _divergence,
    _typicality,
    _modes,
    _mode_shape,
    _distance,
    _spread,
    _shares_of_classes,
    _fidelity,
    _memory,
    _factors,
    _classes,
    _likelihood,
    _denoising,
    _codes,
    _restored,
    _discrimination,
    power,
)


def _collapsed(x: Measurement) -> bool:
    return far_short(x.value, x.interval, x.reference)


def _blind(x: Measurement) -> bool:
    """Whether the difference of a share is known to no more than half of the range of shares."""
    test = x.tested
    return test is not None and test.interval is not None and test.interval[1] - test.interval[0] > WIDEST


def _from(x: Measurement) -> str:
    """The smallest difference that would have been seen."""
    size = None if x.test is None else x.test.detectable
    return "" if size is None else f"; a difference of {_number(size)} would have been seen"


def _compared(x: Measurement) -> str:
    perfect = "held-out data score" if x.detail.get("null") == "held-out data" else "real data score"
    return f"{_value(x)}; {perfect} {_perfect(x)}"


def _value(x: Measurement) -> str:
    unit = f" {x.unit}" if x.unit in ("nats", "bits") else ""
    return f"{_number(x.value)}{unit}{_between(x.interval)}"


def _perfect(x: Measurement) -> str:
    return "unknown" if x.reference is None else f"{_number(x.reference)}{_between(x.reference_interval)}"


def _between(interval: Interval | None) -> str:
    if interval is None or interval[0] == interval[1]:
        return ""
    return f" ({_number(interval[0])} to {_number(interval[1])})"


def _number(value: float) -> str:
    """Three significant digits, whole numbers in full."""
    if abs(value) < 1e6 and value == int(value):
        return f"{int(value):,}"
    return f"{value:.3f}" if 0.0995 <= abs(value) < 1 else f"{value:.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _shares(interval: Interval | None) -> str:
    return "" if interval is None else f"{100 * max(0.0, interval[0]):.1f} to {100 * interval[1]:.1f} %"
