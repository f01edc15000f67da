from pathlib import Path
from typing import Any

import pytest

from veridical.health import Finding
from veridical.report.measured import Measured, read_measured
from veridical.report.record import Record
from veridical.report.verdict import judge

ERROR = Finding(300, "posterior-collapse", "error", "It collapsed.", "", "")
WARNING = Finding(100, "gradient-explosion", "warning", "It exploded.", "", "")


def record(state: str = "finished", **more: Any) -> Record:
    rows = [{"step": 500, "model/loss": 1.0}]
    return Record(Path("run"), "run", status={"state": state, "step": 500}, rows=rows, **more)


def measured(name: str, value: float, reference: float | None = 0.5) -> Measured:
    found = read_measured({"name": name, "value": value, "reference": reference, "higher_is_better": True})
    assert found is not None
    return found


def share(value: float, upper: float, higher: bool = True) -> Measured:
    row = {"name": "coverage", "value": value, "interval": [0.0, upper], "unit": "share", "reference": 0.9}
    found = read_measured({**row, "higher_is_better": higher})
    assert found is not None
    return found


def test_a_share_below_half_of_a_perfect_model_is_not_to_be_trusted() -> None:
    verdict = judge(record(), [GOOD, share(0.2, 0.44)])
    assert (
        verdict.level == "bad"
        and "1 of 2 measurements is short of a perfect model; manifold coverage reaches less" in verdict.headline
    )
    assert judge(record(), [GOOD, share(0.2, 0.46)]).level == "caution"


GOOD, SHORT, ODD, OPEN = (
    measured("precision", 0.5),
    measured("recall", 0.1),
    measured("hq_share", 0.9),
    measured("entropy", 1.0, None),
)


@pytest.mark.parametrize(
    ("state", "findings", "measurements", "level", "says"),
    [
        ("finished", [], [GOOD], "unknown", "too little to judge by"),
        ("finished", [WARNING], [GOOD, GOOD], "good", "All 2 measurements are"),
        ("finished", [], [GOOD, GOOD, OPEN], "good", "All 2 measurements with a reference"),
        ("finished", [], [GOOD, SHORT], "caution", "1 of 2 measurements is short of a perfect model: recall"),
        ("finished", [], [SHORT, ODD], "caution", "better than possible for a perfect model: check hq share"),
        ("finished", [ERROR], [GOOD], "caution", "but the training does: posterior-collapse"),
        ("finished", [ERROR], [], "bad", "found an error in this training: posterior-collapse"),
        ("finished", [], [], "unknown", "has not been measured yet"),
        ("finished", [], [OPEN], "unknown", "No measurement has a reference"),
        ("failed", [], [GOOD], "bad", "failed"),
    ],
)
def test_headline(state: str, findings: list, measurements: list, level: str, says: str) -> None:
    verdict = judge(record(state, findings=findings), measurements)
    assert verdict.level == level and says in verdict.headline


def test_what_too_few_examples_leave_out_is_not_praised() -> None:
    skipped = {"fid": "10 held-out examples are too few; at least 20 are needed", "modes": "the target has no modes"}
    evaluation = {
        "skipped": skipped,
        "too_few": ["fid"],
        "summary": ["Only one measurement has a reference, x.", "More."],
    }
    verdict = judge(record(evaluation=evaluation), [GOOD])
    assert verdict.level == "caution" and "there are too few examples for fid" in verdict.headline
    assert "modes" not in verdict.headline and verdict.sentences[-1] == "More."
    assert not any("Only one measurement" in sentence for sentence in verdict.sentences)  # the headline says it


def test_unmeasured_is_never_praised() -> None:
    for state in ("finished", "running", "interrupted", "unknown"):
        assert judge(record(state), []).level == "unknown"


def test_the_evaluation_speaks_in_its_own_words() -> None:
    verdict = judge(record(evaluation={"summary": ["One.", "Two."]}), [GOOD])
    assert verdict.sentences[-2:] == ("One.", "Two.")


def test_a_count_stands_once() -> None:
    summary = ["Of 1 measurements none are as good as a perfect model's; short: recall.", "Two."]
    verdict = judge(record(evaluation={"summary": summary}), [SHORT])
    assert "1 of 1 measurements" in verdict.headline and verdict.sentences[-1] == "Two."
    assert not any("Of 1 measurements" in sentence for sentence in verdict.sentences)


def test_undecided_measurements_are_counted_and_not_praised() -> None:
    wide = read_measured(
        {"name": "recall", "value": 0.5, "interval": [0.1, 0.9], "unit": "share", "reference": 0.6} | HIGHER
    )
    assert wide is not None and wide.verdict == "undecided"
    verdict = judge(record(), [GOOD, wide])
    assert verdict.level == "caution" and "but 1 of 2 measurements is undecided" in verdict.headline


def test_a_count_of_modes_certainly_below_half_is_far() -> None:
    row = {"name": "modes", "value": 10.0, "interval": [9.0, 12.0], "unit": "modes", "reference": 25.0} | HIGHER
    found = read_measured(row)
    assert found is not None and judge(record(), [found]).level == "bad"


HIGHER = {"higher_is_better": True}


def test_errors_are_told_before_warnings() -> None:
    verdict = judge(record(findings=[WARNING, ERROR]), [])
    assert "1 error and 1 warning; the first, at step 300: It collapsed." in verdict.sentences[1]


@pytest.mark.parametrize(
    ("state", "quiet", "says"),
    [
        ("running", 5.0, "Training is running at step 500 (last update 5.0 s ago)"),
        ("running", 86_400.0, "wrote nothing for 1 d 0 h"),
        ("interrupted", 5.0, "interrupted at step 500 and can be resumed"),
        ("strange", 5.0, "not recorded; the last logged step is 500"),
    ],
)
def test_state(state: str, quiet: float, says: str) -> None:
    assert says in judge(record(state, quiet_for=quiet), []).sentences[0]


def test_a_slow_run_is_given_time() -> None:
    rows = [{"step": i, "seconds": 600.0 * i} for i in range(3)]
    slow = Record(Path("run"), "run", status={"state": "running", "step": 2}, rows=rows, quiet_for=3600.0)
    assert slow.state == "running"
    slow.quiet_for = 13_000.0
    assert slow.state == "killed"


def a_test_of(name: str, difference: float, detectable: float) -> Measured:
    test = {"difference": difference, "p_value": 0.001, "detectable": detectable, "interval": [difference, difference]}
    row = {"name": name, "value": 0.5, "reference": 0.6, "verdict": "short of perfect", "test": test} | HIGHER
    found = read_measured(row)
    assert found is not None
    return found


def test_of_many_faults_the_clearest_three_are_named() -> None:
    faults = [a_test_of(name, -0.1 * (i + 1), 0.01) for i, name in enumerate(("fid", "kid", "recall", "density"))]
    faults.append(a_test_of("precision", -0.9, 1.0))
    headline = judge(record(), faults).headline
    assert headline.endswith(
        "5 of 5 measurements are short of a perfect model: most clearly density, recall and kernel distance (KID)."
    )


def test_the_first_sentence_says_what_the_model_is() -> None:
    of = record(family="gan", environment={"data": {"name": "digits"}}, config={"training.steps": 900})
    assert judge(of, []).what == "A model of the family gan, trained on digits for 500 of 900 steps."
    assert judge(record("interrupted"), []).what == "A model, trained for 500 steps; its training is interrupted."


def test_notes_about_the_data_are_shown_and_the_state_is_told_once() -> None:
    notes = ["This run was interrupted at step 500. To finish it: veridical resume run", "The data have changed."]
    verdict = judge(record("interrupted", evaluation={"notes": notes, "summary": [*notes, "One."]}), [GOOD])
    assert verdict.sentences[-2:] == ("The data have changed.", "One.")
    assert sum("interrupted" in sentence for sentence in verdict.sentences) == 1


def test_of_many_far_faults_the_number_is_said() -> None:
    row = {
        "value": 0.1,
        "interval": [0.0, 0.2],
        "unit": "share",
        "reference": 0.9,
        "verdict": "short of perfect",
    } | HIGHER
    far = [read_measured({"name": name} | row) for name in ("precision", "recall", "coverage", "accuracy", "c2st")]
    headline = judge(record(), [m for m in far if m is not None]).headline
    assert "of a perfect model; 5 of them reach less than half of its score: most clearly " in headline
