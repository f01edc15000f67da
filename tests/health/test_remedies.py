"""Remedies that can be followed: every option and every command in them is run."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.health.rows import feed
from tests.workflows.runs import VAE as TRAINING
from tests.workflows.runs import silent

from veridical.cli import run as command
from veridical.cli.train import parse_options
from veridical.config import RunConfig, VAEConfig
from veridical.config.families.table import FAMILIES, find_family
from veridical.families.gan import GAN
from veridical.families.vae import VAE
from veridical.health import Finding, GradientVanishing, Monitors, SampleCollapse, nonfinite_finding
from veridical.health.exactness import Inverse, Mixing
from veridical.health.likelihood import AgainstConstant, LostChains, Underfit
from veridical.workflows.start import train

sys.path.insert(0, str(Path(__file__).parent))
import health_runs as judged  # pyright: ignore[reportMissingImports]  (a script beside this file)

sys.path.pop(0)

NAMES = {
    "average-worse",
    "better-than-entropy",
    "chains-not-mixing",
    "discriminator-memorises",
    "discriminator-saturation",
    "gradient-explosion",
    "gradient-vanishing",
    "inverse-error",
    "learns-nothing",
    "likelihood-overfit",
    "likelihood-underfit",
    "loss-divergence",
    "mode-collapse",
    "no-movement",
    "non-finite",
    "oscillation",
    "outlier",
    "posterior-collapse",
    "repeated-data",
    "sample-collapse",
    "spectrum-growth",
    "steps-too-large",
    "worse-than-constant",
}
"""Every finding there is."""


def all_findings() -> list[Finding]:
    """Every kind of finding, from the labelled runs and from rows made here."""
    found = [finding for run in judged.read() for finding in judged.findings(run)]
    found += feed(Mixing(), r_hat=[2.0] * 5)
    found += feed(Inverse(), inverse_error=[1.0] * 5)
    found += feed(Underfit(2000), nats=[50.0 - i for i in range(40)])
    found += feed(LostChains(5.0), probe__nats_held_out=[9.0] * 3, probe__nats_error=[0.1] * 3)
    found += feed(AgainstConstant(10.0, 1500), nats=[200.0 - 3 * i for i in range(30)])
    found += [*feed(SampleCollapse(), diversity=[0.01] * 30), nonfinite_finding(1, "model/loss", float("nan"))]
    found += feed(GradientVanishing("generator"), generator__grad_norm=[1.0] * 15 + [1e-9] * 20)
    monitors = Monitors({**GAN.term_kinds, **VAE.term_kinds})
    for i in range(60):
        shot = 0.7 if i < 30 else 1e6 if i % 2 else 2e6
        row = {"step": 50 * i, "model/loss": 9.0 if i in (0, *range(30, 60)) else 0.0, "model/kl": 0.0}
        grows = {"generator/loss": shot, "model/grad_norm": shot, "generator/grad_norm": shot}
        found += monitors.judge(row | grows)
    return found


FOUND = all_findings()
TEXTS = sorted({finding.remedy for finding in FOUND})
OPTIONS = sorted(
    {match for text in TEXTS for match in re.findall(r"--[a-z0-9][a-z0-9.-]*[a-z0-9](?: [a-z0-9.]*[a-z0-9])*", text)}
)


def test_every_finding_is_reached_and_explained() -> None:
    assert {finding.name for finding in FOUND} == NAMES
    for finding in FOUND:
        assert finding.message.endswith(".") and finding.cause.endswith(".") and finding.remedy.endswith(".")


def is_accepted(words: list[str]) -> bool:
    """Tell whether the command line of some family accepts an option."""
    for family in FAMILIES:
        base = RunConfig(model=find_family(family).config())
        try:
            parse_options([*words, "--data", "digits"], base)
        except Exception:
            continue
        return True
    return False


@pytest.mark.parametrize("text", OPTIONS)
def test_every_option_is_accepted(text: str) -> None:
    """With the value that the remedy names, or some value where it names none."""
    option, *values = text.split()
    tries = [[option], [option, "8"], [option, *values], [option, *values[:1]], [option, *values[:2]]]
    assert any(is_accepted(words) for words in tries), text


def test_an_option_that_does_not_exist_would_be_seen() -> None:
    assert not is_accepted(["--no-such-option", "1"]) and is_accepted(["--lr-scale", "0.3"])
    assert "--lr-scale 0.3" in OPTIONS and any(text.startswith("--r1 1") for text in OPTIONS)


def test_every_command_runs(tmp_path: Path) -> None:
    """Commands in backticks, on a run made here; `veridical load` is Python."""
    commands = sorted({c for f in FOUND for c in re.findall(r"`(veridical [^`]*)`", f.remedy + f.cause)})
    assert "veridical resume RUN --steps N" in commands and len(commands) >= 4
    run = train(replace(TRAINING, training=replace(TRAINING.training, steps=4)), out=tmp_path / "run", say=silent).path
    places = {"RUN": str(run), "DATA": "digits", "N": "6"}
    for text in commands:
        words = [places[word] if word in places else word for word in text.split()[1:]]
        if words[0] == "evaluate":
            words += ["--metrics", "codes"]
        if words[0] == "train":
            words += ["--dry-run", "--steps", "2"]
        if words[0] == "resume" and len(words) == 1:
            words += [str(run)]
        assert command(words) == 0, words


def test_the_python_of_a_remedy_works(tmp_path: Path) -> None:
    import veridical

    run = train(replace(TRAINING, model=VAEConfig(network="mlp", width=4)), out=tmp_path / "run", say=silent)
    assert "veridical.load(run, average=False)" in "".join(TEXTS)
    assert veridical.load(run, average=False).sample(2).shape == (2, 1, 8, 8)  # type: ignore[attr-defined]
