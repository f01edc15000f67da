"""What is given applies, what is open stays; every option exists under its name in the configuration of data."""

from dataclasses import fields

import pytest

from veridical.config import DataConfig
from veridical.config.reading import Reading


def test_given_options_replace_those_of_the_configuration() -> None:
    config = DataConfig(source="photos", size=16, fit="crop", holdout=0.2)
    assert Reading().apply(config) == config and Reading().given == {}
    read = Reading(size=32, labels=False).apply(config)
    assert (read.size, read.fit, read.labels, read.holdout) == (32, "crop", False, 0.2)
    assert Reading(size=32, levels=4).apply(config, only=("size",)).levels is None


def test_the_reading_of_the_data_alone_comes_over_that_of_both() -> None:
    both = Reading(size=32, value_range=(0.0, 1.0))
    assert Reading(value_range=(0.0, 255.0)).over(both) == Reading(size=32, value_range=(0.0, 255.0))


def test_values_are_checked_as_those_of_training_are() -> None:
    assert {field.name for field in fields(Reading)} < {field.name for field in fields(DataConfig)}
    with pytest.raises(ValueError, match="fit is 'crop' without size"):
        Reading(fit="crop").apply(DataConfig())
