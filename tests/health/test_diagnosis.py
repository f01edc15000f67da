"""A run directory that is judged again."""

import json
from pathlib import Path

from veridical.health import monitors_for, nonfinite_finding
from veridical.health.diagnosis import WATCHED, diagnose
from veridical.kinds import KINDS
from veridical.run import Run


def test_every_monitor_is_described() -> None:
    kinds = {f"a/{kind}": kind for kind in KINDS} | {"a/loss": "generator_loss"}
    terms = [*kinds, "a/grad_norm", "a/update", "a/sigma_max", "probe/logit_held_out", "probe/nats_held_out"]
    facts = {"steps": 10.0, "constant_nats": 1.0, "outlier": 1.0, "distinct": 1.0}
    names = monitors_for([*terms, "probe/excess", "probe/average_excess"], kinds, facts)
    assert {name.partition(":")[0] for name in names} == set(WATCHED)


def test_a_run_that_ended_at_a_value_that_is_not_finite_says_so(tmp_path: Path) -> None:
    finding = nonfinite_finding(3, "model/loss", float("nan"))
    (tmp_path / "config.yaml").write_text("")
    (tmp_path / "health.jsonl").write_text(json.dumps(finding.to_json()) + "\n")
    assert diagnose(Run(tmp_path)).findings == (finding,)


def test_the_rows_are_judged_with_the_facts_of_the_run(tmp_path: Path) -> None:
    rows = [{"step": 10 * i, "model/loss": 1.0} for i in range(1, 30)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert diagnose(Run(tmp_path)).findings == () and diagnose(Run(tmp_path)).rows == 29
    (tmp_path / "environment.json").write_text(json.dumps({"health": {"outlier": 1e6}}))
    found = diagnose(Run(tmp_path))
    assert [finding.name for finding in found.findings] == ["outlier"]
    assert (
        "an outlier in the data" in found.watched
        and ("a wrong inverse", "a flow that reports its inverse error") in found.unwatched
    )
