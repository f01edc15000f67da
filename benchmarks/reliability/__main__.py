"""All attacks at a small size, in about fifteen seconds: `python benchmarks/reliability`."""

from __future__ import annotations

import sys

import damages
import fuzz
import kills
import malicious
import memory

SMALL = (
    (kills, ["--kills", "3", "--torchrun", "0", "--launcher", "0", "--operations", "0"]),
    (fuzz, ["--inputs", "30", "--first", "10"]),
    (damages, ["--damages", "3"]),
    (malicious, ["--every", "28"]),
    (memory, ["--steps", "200", "--every", "40"]),
)
"""Scripts with arguments."""

if __name__ == "__main__":
    names = sys.argv[1:]
    failed = [
        script.__name__ for script, words in SMALL if (not names or script.__name__ in names) and script.main(words)
    ]
    print(f"failed: {', '.join(failed)}" if failed else "all held")
    sys.exit(bool(failed))
