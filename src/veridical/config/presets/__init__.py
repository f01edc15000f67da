"""Named starting points: `veridical train PRESET --data D`. Each is a complete `RunConfig`."""

from veridical.config.presets.classical import CLASSICAL
from veridical.config.presets.codes import CODES
from veridical.config.presets.default import DEFAULT
from veridical.config.presets.labelled import LABELLED
from veridical.config.presets.other import OTHER
from veridical.config.presets.preset import Preset

__all__ = ["PRESETS", "Preset"]

PRESETS: dict[str, Preset] = {**DEFAULT, **CLASSICAL, **LABELLED, **CODES, **OTHER}
