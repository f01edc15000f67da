"""The labelled runs, and what the monitors make of them, at the rates that docs/health.md states."""

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from veridical.config import GANConfig
from veridical.data.space import Space
from veridical.families.gan import GAN


def by_path(path: Path) -> ModuleType:
    """Load a module: neither tests nor benchmarks are packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


judged = by_path(Path(__file__).with_name("collapse_runs.py"))
benchmark = by_path(Path(__file__).parents[2] / "benchmarks" / "gan_collapse.py")
RUNS = judged.read()
PARTS = {"all": RUNS, "odd": [run for run in RUNS if run["seed"] % 2], "even": [r for r in RUNS if r["seed"] % 2 == 0]}


def test_there_are_enough_runs_and_every_part_has_both_kinds() -> None:
    assert len(RUNS) >= 100 and len({run["seed"] for run in RUNS}) == len(RUNS)
    assert judged.FILE.stat().st_size < 1_500_000
    for runs in PARTS.values():
        labels = [run["label"] for run in runs]
        assert labels.count("collapsed") >= 15 and labels.count("healthy") >= 15


def test_labels_follow_from_the_truth_alone() -> None:
    for run in RUNS:
        truth = [tuple(float("nan") if value is None else value for value in row) for row in run["truth"]]
        assert benchmark.label_of(truth, run["steps"]) == run["label"]


def test_rows_have_the_terms_that_they_name() -> None:
    for run in RUNS:
        assert run["terms"][0] == "step" and {"discriminator/crowding", "discriminator/coverage"} < set(run["terms"])
        assert all(len(row) == len(run["terms"]) for row in run["rows"])
        steps = [row[0] for row in run["rows"]]
        assert steps == sorted(set(steps)) and steps[-1] == run["steps"] == run["truth"][-1][0]


@pytest.mark.parametrize("part", PARTS)
def test_collapses_are_called_in_time_with_few_false_alarms(part: str) -> None:
    found = judged.rates(PARTS[part])
    assert found.called >= 0.9 * found.collapsed
    assert found.false <= 0.05 * found.healthy


def test_games_side_by_side_are_games_alone() -> None:
    torch.manual_seed(0)
    config = GANConfig(width=8, depth=1, discriminator_depth=1, fourier_octaves=1, latent_dim=2, relativistic=False)
    space = Space((2,), kind="vector", support=None, levels=None)
    games = benchmark.Games(config, space, [5, 6])
    z, x = torch.randn(2, 4, 2), torch.randn(2, 4, 2)
    alone = GAN(config, space)
    for i, seed in enumerate((5, 6)):
        torch.manual_seed(seed)
        alone = GAN(config, space)
        torch.testing.assert_close(games.decode(z.flatten(0, 1)).chunk(2)[i], alone.decode(z[i]))
        torch.testing.assert_close(games.logits(x.flatten(0, 1)).chunk(2)[i], alone.logits(x[i]))
    x_fake = games.decode(z.flatten(0, 1)).detach()
    game = dataclasses.replace(games.game, joint=False)
    turn = benchmark.discriminator_turn(game, games.logits, x.flatten(0, 1), x_fake, step=1)
    (2 * turn.loss).backward()
    alone_turn = benchmark.discriminator_turn(game, alone.logits, x[1], x_fake[4:], step=1)
    alone_turn.loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in alone.discriminator.parameters() if p.grad is not None])
    assert float(games.discriminator.norms()[1]) == pytest.approx(float(norm), rel=1e-5)
