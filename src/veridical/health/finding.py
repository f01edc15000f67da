"""Finding of a monitor: a problem, its cause and its remedy."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

Severity = Literal["warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One problem of a training, reported once."""

    step: int
    """Step at which the problem was detected."""

    name: str
    """Name of the problem: "discriminator-saturation", "posterior-collapse", ..."""

    severity: Severity
    """warning: the run may recover; error: its result cannot be used."""

    message: str
    """The problem, with the measured numbers."""
    cause: str
    """The usual cause."""
    remedy: str
    """What to do, naming the flags of `veridical train`."""
    reference: str = ""
    """Source of the threshold or of the remedy."""

    def __post_init__(self) -> None:
        if self.severity not in get_args(Severity):
            raise ValueError(f"severity is {self.severity!r}; expected one of {', '.join(get_args(Severity))}.")

    def to_json(self) -> dict[str, Any]:
        """Return a line of health.jsonl."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Finding:
        """Read a line of health.jsonl; unknown fields, written by other versions, are ignored.

        Raises:
            ValueError: a field is missing.
        """
        names = [field.name for field in fields(cls)]
        missing = [field.name for field in fields(cls) if field.default is MISSING and field.name not in row]
        if missing:
            raise ValueError(f"the finding has no {', '.join(missing)}; expected the fields {', '.join(names[:-1])}.")
        return cls(**{name: row[name] for name in names if name in row})

    def __str__(self) -> str:
        """Return the finding as printed during training."""
        text = f"{self.severity} at step {self.step}: {self.message}\n  cause: {self.cause}\n  remedy: {self.remedy}"
        return f"{text}\n  see: {self.reference}" if self.reference else text
