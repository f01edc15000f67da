"""Write docs/presets.md from the table of presets.

python scripts/list_presets.py > docs/presets.md
"""

from __future__ import annotations

from veridical.config.presets import PRESETS, Preset

HEAD = """# Presets

`veridical train PRESET --data D` starts from one of these; `veridical config show PRESET` prints all its values, and
every value can be changed by a flag. Presets with the networks of DCGAN, SNGAN or BigGAN draw square pictures; with
`--network mlp` they play with vectors too.

*Published* numbers are of other data, networks and budgets, and are there to say where a recipe comes from. *Measured*
is what the preset reached here: unless said otherwise one seed, 25 to 50 seconds of one thread on an AMD EPYC (Zen 5)
beside other work, the last step, the Fréchet distance of 2,000 samples to the 2,000 test pictures of
`fashion-mnist-10k` in the shipped fashion-28 features (a perfect model: 0.04), and recall (0.86), by
`benchmarks/gan_presets.py`. So short a run says what a preset does in the first minute, not what it is worth in the
end.

| preset | what for | paper | published | measured |
|---|---|---|---|---|
"""


def row(name: str, preset: Preset) -> str:
    """Return one line of the table."""
    cells = (preset.summary, preset.paper, preset.published, preset.measured)
    return f"| `{name}` | " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(row(name, preset) for name, preset in PRESETS.items()) + "\n"


if __name__ == "__main__":
    print(page(), end="")
