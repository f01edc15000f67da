"""Kinds of terms: what families declare and monitors read is what exists."""

import subprocess
import sys

from veridical.families import FAMILIES
from veridical.kinds import KINDS


def test_families_declare_only_kinds_that_exist() -> None:
    declared = {kind for name in FAMILIES for kind in FAMILIES[name].term_kinds.values()}
    assert declared and declared <= set(KINDS)
    assert {"objective", "generator_loss", "discriminator_loss", "posterior_kl"} <= declared


def test_the_kinds_are_known_without_torch() -> None:
    code = "import sys, veridical.kinds, veridical.errors; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
