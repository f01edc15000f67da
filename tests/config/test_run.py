"""What is recorded of a run's model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from veridical.config import OwnModel, RunConfig
from veridical.config.families.gan import GANConfig
from veridical.config.families.vae import VAEConfig
from veridical.config.files import flatten, origins_of, read, to_yaml
from veridical.config.run import plain


@dataclass(frozen=True)
class Inner:
    sides: tuple[int, ...] = (3, 4)
    where: Path = Path("x")


@dataclass(frozen=True)
class Mine:
    inner: Inner = Inner()
    options: dict[str, object] = field(default_factory=lambda: {"a": None, "b": {}, "c: d": [1.5, True]})
    text: str = "yes # no"


def test_the_family_is_that_of_the_model() -> None:
    assert RunConfig().family == "gan" and RunConfig(model=VAEConfig()).family == "vae"
    assert RunConfig(model=OwnModel("mine.Model")).family == "mine.Model"


@pytest.mark.parametrize("model", [None, 3, "gan", Inner(), GANConfig])
def test_a_model_of_no_family_is_refused(model: object) -> None:
    with pytest.raises(ValueError, match="not the configuration of a family"):
        RunConfig(model=model)


def test_settings_are_plain_values() -> None:
    found = plain(Mine())
    assert found["inner"]["sides"] == [3, 4] and "x" in found["inner"]["where"] and found["options"]["b"] == {}


def test_an_own_model_is_written_and_read_back(tmp_path: Path) -> None:
    config = RunConfig(model=OwnModel.of(Mine, Mine()))
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config, origins_of(config, config, {}, "")))
    again, origins = read(file)
    assert again == config and origins.keys() == flatten(config).keys()
    assert again.family == f"{Mine.__module__}.Mine" and again.model.settings["text"] == "yes # no"


def test_an_own_model_without_settings_is_written_and_read_back(tmp_path: Path) -> None:
    config = RunConfig(model=OwnModel("mine.Model"))
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config, {}))
    assert read(file)[0] == config


def test_a_name_without_a_module_is_refused() -> None:
    with pytest.raises(ValueError, match="expected module and class"):
        OwnModel("Model")
