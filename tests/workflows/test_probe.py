"""Short looks at held-out examples and at averaged weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.workflows.runs import VAE, digest, lines, silent
from veridical.config import DataConfig, GANConfig, RBMConfig, RunConfig
from veridical.data import sources
from veridical.data.files import read_file
from veridical.data.source import spread
from veridical.data.sources import splits_of
from veridical.data.space import Space
from veridical.evaluation.density import density_of
from veridical.families.rbm import RBM
from veridical.run import Run
from veridical.training.callbacks import seeded
from veridical.workflows.load import load
from veridical.workflows.probe import EXAMPLES, SEED, held_out_part, log_prob_of
from veridical.workflows.resume import resume
from veridical.workflows.start import train

TINY = GANConfig(network="mlp", width=8, depth=1, discriminator_depth=1, latent_dim=2, fourier_octaves=0)


def run_with(config: RunConfig, folder: Path, every: int) -> Run:
    return train(replace(config, training=replace(config.training, probe_every=every)), out=folder, say=silent)


def test_weights_and_losses_do_not_depend_on_probes(tmp_path: Path) -> None:
    for name, config in {"vae": VAE, "gan": RunConfig(TINY, DataConfig(source="ring"), VAE.training)}.items():
        with_it, without = run_with(config, tmp_path / name, 5), run_with(config, tmp_path / f"{name}-plain", 0)
        one, other = digest(with_it), digest(without)
        assert all(torch.equal(one[key], other[key]) for key in one)
        probed, plain = lines(with_it), lines(without)
        assert [{k: v for k, v in row.items() if not k.startswith("probe/")} for row in probed] == plain
        assert any(key.startswith("probe/") for row in probed for key in row)


def test_the_last_probe_is_the_bound_of_the_loaded_model(tmp_path: Path) -> None:
    run = run_with(VAE, tmp_path / "run", 5)
    parts = splits_of(DataConfig(source="digits"))
    data = parts("train")
    held_out = held_out_part(data, parts)
    assert held_out is not None
    found = []
    for average in (False, True):
        model: Any = load(run, average=average)
        with torch.no_grad(), seeded(SEED, torch.device("cpu")):
            model.sample(EXAMPLES)  # a probe draws samples first
            train_nats, nats = (float(-model.elbo(batch.x).mean()) for batch in (spread(data, EXAMPLES), held_out))
            found.append((train_nats, nats))
    row = lines(run)[-1]
    assert (row["probe/nats_train"], row["probe/nats_held_out"]) == pytest.approx(found[0], rel=1e-5)
    assert row["probe/average_excess"] == pytest.approx(found[1][1] - found[0][1], rel=1e-3)
    assert row["probe/nats_error"] > 0 and "probe/excess" not in row


def test_a_known_density_gives_the_excess(tmp_path: Path) -> None:
    row = lines(run_with(replace(VAE, data=DataConfig(source="ring")), tmp_path / "run", 5))[-1]
    assert row["probe/excess"] > 2 * row["probe/excess_error"] > 0


@pytest.mark.parametrize("source", ["bars:2", "categorical"])
def test_the_nats_of_a_machine_that_can_be_summed_are_those_of_its_density(source: str, tmp_path: Path) -> None:
    """In data space, of two levels and of more."""
    config = RunConfig(RBMConfig(width=3, chains=8, replicas=3), DataConfig(source=source), VAE.training)
    run = run_with(config, tmp_path / "run", 5)
    parts = splits_of(config.data)
    held_out = held_out_part(parts("train"), parts)
    density = density_of(load(run, average=False, say=silent))
    assert held_out is not None and density is not None and density.exact
    with torch.no_grad():
        assert lines(run)[-1]["probe/nats_held_out"] == pytest.approx(-float(density.log_prob(held_out.x).mean()))


def test_the_nats_of_a_machine_that_is_too_large_are_not_summed() -> None:
    space = Space((17,), kind="vector", levels=2)
    assert log_prob_of(RBM(RBMConfig(width=16, chains=2), space)) is not None
    assert log_prob_of(RBM(RBMConfig(width=17, chains=2), space)) is None


def test_a_discriminator_is_asked_about_held_out_examples(tmp_path: Path) -> None:
    config = RunConfig(TINY, DataConfig(source="ring"), VAE.training)
    row = lines(run_with(config, tmp_path / "run", 5))[-1]
    assert {"probe/logit_train", "probe/logit_held_out", "probe/logit_fake", "probe/energy_average"} <= row.keys()
    assert row["probe/logit_train"] == pytest.approx(row["probe/logit_held_out"], abs=0.2)


def test_probes_do_not_read_the_data_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start and at a resumption a file is read once. Mutant: `load(config, "test")` reads it twice."""
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    reads: list[Path] = []
    monkeypatch.setattr(sources, "read_file", lambda path: (reads.append(path), read_file(path))[1])
    run = run_with(replace(VAE, data=DataConfig(source=str(tmp_path / "a.npy"))), tmp_path / "run", 5)
    assert len(reads) == 1 and "probe/nats_held_out" in lines(run)[-1]
    resume(run.path, steps=VAE.training.steps + 5, say=silent)
    assert len(reads) == 2 and "probe/nats_held_out" in lines(run)[-1]
    unprobed = run_with(replace(VAE, data=DataConfig(source=str(tmp_path / "a.npy"))), tmp_path / "unprobed", 0)
    assert len(reads) == 3 and not any("probe/" in key for key in lines(unprobed)[-1])
