import json

import pytest

from veridical.health import Finding

FINDING = Finding(12, "gradient-explosion", "warning", "It explodes.", "Too steep.", "--clip-norm 1")


def test_json_round_trip_is_exact() -> None:
    assert Finding.from_json(json.loads(json.dumps(FINDING.to_json()))) == FINDING


def test_fields_of_another_version_are_left_out() -> None:
    assert Finding.from_json({**FINDING.to_json(), "new": 1}) == FINDING


def test_missing_field_is_named() -> None:
    row = FINDING.to_json()
    del row["cause"]
    with pytest.raises(ValueError, match="has no cause; expected the fields step, name"):
        Finding.from_json(row)


def test_unknown_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="'bad'; expected one of warning, error"):
        Finding(0, "x", "bad", "", "", "")  # type: ignore[arg-type]


def test_printed_finding_holds_cause_and_remedy() -> None:
    assert str(FINDING).splitlines() == [
        "warning at step 12: It explodes.",
        "  cause: Too steep.",
        "  remedy: --clip-norm 1",
    ]
