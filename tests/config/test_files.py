from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from veridical.config import DataConfig, GANConfig, RunConfig, TrainingConfig, VAEConfig
from veridical.config.documents import load, read_text
from veridical.config.files import (
    ConfigError,
    flatten,
    on_vectors,
    origins_of,
    preset_of,
    preset_origins,
    read,
    to_yaml,
)
from veridical.config.presets import PRESETS, find_preset


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_written_is_read_back_with_its_origins(tmp_path: Path, name: str) -> None:
    file = tmp_path / "config.yaml"
    config, origins = find_preset(name), preset_origins(name)
    file.write_text(to_yaml(config, origins))
    again, told = read(file)
    assert again == config
    assert told == origins
    assert flatten(config).keys() == origins.keys()


def test_on_vectors_a_preset_takes_the_values_of_another_but_for_what_was_given() -> None:
    base, origins = find_preset("gan"), preset_origins("gan")
    assert preset_of(origins) == "gan" and preset_of({}) is None
    config, told = on_vectors(base, origins, "gan")
    assert config == find_preset("gan-2d") and told["training.steps"] == "preset gan-2d"
    given = replace(base, data=DataConfig(source="grid"), training=replace(base.training, batch_size=32))
    config, told = on_vectors(given, origins_of(given, base, origins, "command line"), "gan")
    assert (config.training.batch_size, config.training.steps, config.data.source) == (32, 30_000, "grid")
    assert told["training.batch_size"] == told["data.source"] == "command line"
    assert on_vectors(given, told, "dcgan") == (given, told)


def test_a_partial_file_changes_its_preset_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("preset: dcgan\ntraining: {steps: 7}\nmodel: {latent_dim: 100, width: 32}\n")
    config, origins = read(file)
    assert config.training.steps == 7
    assert config.model == GANConfig(**{**vars(PRESETS["dcgan"].model), "width": 32})
    assert origins["training.steps"] == origins["model.width"] == f"file {file}"
    assert origins["model.network"] == "preset dcgan"
    assert origins["model.latent_dim"] == "preset dcgan"  # the file repeats it, but does not change it
    assert origins["training.seed"] == "default"


def test_every_problem_is_listed_with_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(
        "family: vae\n"
        "model:\n"
        "  kl_wieght: 2\n"
        "  latent_dim: many\n"
        "  width: -1\n"
        "dta: {}\n"
        "training:\n"
        "  steps: 0\n"
        "  seed: -4\n"
        "  seed: 1\n"
        "  device: [cpu]\n"
    )
    with pytest.raises(ConfigError) as caught:
        read(file)
    said = str(caught.value).splitlines()
    expected = [
        (3, "model.kl_wieght: there is no such key. Did you mean kl_weight?"),
        (4, "model.latent_dim: is 'many'; input should be a valid integer"),
        (5, "model.width: is -1; expected a finite number above 0"),
        (6, "dta: there is no such key. Did you mean data?"),
        (8, "training.steps: is 0; expected"),
        (9, "training.seed: is -4; expected"),
        (10, "training.seed: is given twice"),
        (11, "training.device: is ['cpu']; input should be a valid string"),
    ]
    assert len(said) == len(expected)
    for line, (number, message) in zip(said, expected, strict=True):
        assert line.startswith(f"{file}:{number}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: vea\n", "Did you mean vae?"),
        ("preset: dcgn\n", "Did you mean dcgan?"),
        ("preset: vae\nfamily: gan\n", "preset vae is of family vae, not gan"),
        ("model: [1, 2]\n", "expected keys and values"),
        ("- 1\n", "expected sections"),
        ("model: {r1: 1\n", "not YAML"),
        ("training: {batch_size: 63, processes: 2}\n", "Choose a batch_size that is a multiple of 2"),
        ("model: !!python/object/apply:os.system ['true']\n", "os.system is not read"),
    ],
)
def test_errors_teach(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        read(file)


def test_a_missing_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml.*cannot be read"):
        read(tmp_path / "nothing.yaml")


def test_origins_follow_the_differences() -> None:
    base = RunConfig(model=VAEConfig())
    changed = RunConfig(model=VAEConfig(width=7), training=TrainingConfig(steps=3))
    origins = origins_of(changed, base, {"training.seed": "preset x"}, "command line")
    assert {k for k, v in origins.items() if v == "command line"} == {"model.width", "training.steps"}
    assert origins["training.seed"] == "preset x"


@pytest.mark.parametrize(
    "source",
    ["a\nb", "a: b", " # x ", "'", '"', "\u0085", "\x07", "\udcff", "é/日本", "2026-01-01", "=", "<<", "null", "~"],
)
def test_every_name_of_data_is_read_back(source: str, tmp_path: Path) -> None:
    config = RunConfig(data=DataConfig(source=source))
    (tmp_path / "config.yaml").write_text(to_yaml(config, {"data.source": "command line"}), encoding="utf-8")
    assert read(tmp_path / "config.yaml") == (
        config,
        {**dict.fromkeys(flatten(config), "default"), "data.source": "command line"},
    )
    assert load(read_text(tmp_path / "config.yaml"))["data"]["source"] == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset: [gan]\n", "preset: is a list; expected a name"),
        ("family: {a: 1}\nmodel: {width: 3}\n", "family: is a dict; expected a name"),
        ("origin: 7\n", "origin: expected keys and values"),
        ("training: {steps: 0x" + "f" * 300 + "}\n", "training.steps"),
        ("training: {ema: .nan}\n", "training.ema"),
        ("training: {lr_scale: .inf}\n", "training.lr_scale"),
        ("training: {seed: -1}\n", "training.seed"),
        ("data: {value_range: [0, .nan]}\n", "data.value_range"),
        ("data: {value_range: [-.inf, 1]}\n", "data.value_range"),
    ],
)
def test_values_of_other_kinds_are_refused_by_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "a.yaml")
