"""Where a training starts, and what its own options change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from veridical.cli import UsageError, run
from veridical.cli.train import locate, parse_options, starting_point
from veridical.config import RunConfig
from veridical.config.families.gan import GANConfig
from veridical.config.families.vae import VAEConfig
from veridical.config.files import read


@pytest.mark.parametrize(
    "words",
    [
        ["vae", "--data", "digits", "--width", "8"],
        ["--data", "digits", "vae", "--width", "8"],
        ["--data", "digits", "--width", "8", "vae"],
        ["--dry-run", "--model.width=8", "vae", "--data=digits"],
    ],
)
def test_the_preset_stands_anywhere(words: list[str]) -> None:
    base, _ = starting_point(words)
    options, config = parse_options(words, base)
    assert options.preset == "vae" and config.model == VAEConfig(width=8) and config.data.source == "digits"


def test_a_name_after_an_option_is_its_value() -> None:
    assert locate(["--data", "vae"]) == ([], None)
    assert locate(["--no-labels", "vae", "--config=c.yaml"]) == (["vae"], "c.yaml")


def test_a_family_starts_from_its_defaults() -> None:
    config, origins = starting_point(["unrolled-gan"])
    assert config.family == "unrolled-gan" and set(origins.values()) == {"default"}


def test_lr_sets_the_step_size_of_every_player() -> None:
    _, config = parse_options(["--lr", "1e-4"], RunConfig(model=GANConfig()))
    assert config.model.generator_optimizer.lr == config.model.discriminator_optimizer.lr == 1e-4
    assert config.model.generator_optimizer.trust == GANConfig().generator_optimizer.trust
    with pytest.raises(UsageError, match=r"both --lr and --generator-optimizer\.lr are given"):
        parse_options(["--lr", "1e-4", "--generator-optimizer.lr", "1e-3"], RunConfig(model=GANConfig()))


def test_the_help_of_train_lists_every_preset_under_its_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    run(["train", "--help"])
    said = capsys.readouterr().out
    assert said.index("  images:") < said.index("    gan ") < said.index("  vectors of") < said.index("    gan-2d ")


def test_epochs_become_steps_once_the_data_are_known(tmp_path: Path) -> None:
    where = tmp_path / "run"
    words = ["train", "vae", "--data", "digits", "--epochs", "0.1", "--batch-size", "32", "--lr", "0.01"]
    threads = torch.get_num_threads()
    try:
        assert run([*words, "--threads", "1", "--network", "mlp", "--width", "8", "--out", str(where)]) == 0
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    config, origins = read(where / "config.yaml")
    assert config.training.steps == 5  # 0.1 x 1,438 examples in batches of 32, rounded up
    assert (config.model.optimizer.lr, config.training.threads) == (0.01, 1)
    assert origins["training.steps"] == "0.1 epochs"
    assert origins["model.optimizer.lr"] == origins["training.threads"] == "command line"


@pytest.mark.parametrize("option", ["--steps", "--training.steps"])
def test_epochs_and_steps_are_not_both_given(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--data", "digits", "--epochs", "2", option, "5000"]) == 2
    assert "choose one" in capsys.readouterr().err


def test_an_option_of_another_family_is_refused_with_the_families_that_have_it() -> None:
    base, _ = starting_point(["vae"])
    with pytest.raises(UsageError, match=r"vae has no option --objective; it is an option of .*\bgan\b"):
        parse_options(["vae", "--objective", "hinge"], base)


def test_a_value_of_the_model_given_to_an_option_of_the_data_is_recognised() -> None:
    base, _ = starting_point(["made"])
    with pytest.raises(UsageError, match=r"one of epoch, iid, repeated\. Did you mean --model\.order any\?"):
        parse_options(["made", "--order", "any"], base)
    _, config = parse_options(["made", "--model.order", "any"], base)
    assert config.model.order == "any"
    with pytest.raises(UsageError, match=r"one of epoch, iid, repeated\.$"):
        parse_options(["made", "--order", "upwards"], base)


def test_a_preset_without_its_command_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["VAE"]) == 2
    assert "Did you mean veridical train vae --data NAME?" in capsys.readouterr().err
