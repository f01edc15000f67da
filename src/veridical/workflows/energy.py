"""Training from an energy: the game, the target and the batches of a run with `training.from_energy`."""

from __future__ import annotations

from torch import Tensor

from veridical.config import TrainingConfig
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.source import BatchSource, EnergySource
from veridical.evaluation.target import Target
from veridical.model import GenerativeModel
from veridical.targets.law import HasDensity, HasLogPartition
from veridical.training.energy import EnergyGame, LogProb


def game_of(
    model: GenerativeModel, data: ArrayData | BatchSource, training: TrainingConfig
) -> GenerativeModel | EnergyGame:
    """Return the game that is played: the model itself, or with `from_energy` a divergence from the known density.

    Raises:
        DataError: no density of the data is known.
        ValueError: the model has no exact likelihood of its samples.
    """
    if training.from_energy is None:
        return model
    return EnergyGame(model, log_density(data), training.from_energy, training.energy)


def log_density(data: ArrayData | BatchSource) -> LogProb:
    """Return the log density of the distribution of data, nats in data space; of an energy up to a constant.

    Raises:
        DataError: it is not known.
    """
    law = data.target if isinstance(data, ArrayData | EnergySource) else None
    if isinstance(law, HasDensity):
        return Target(law, data.space).log_prob
    if not isinstance(law, HasLogPartition):
        raise DataError(
            f"no density of {data.name} is known, and from_energy needs one.",
            "Choose a set with a known distribution (ising:16, ring, many-well: veridical data list), or leave out "
            "from_energy.",
        )
    target = Target(law, data.space)

    def negative_energy(x: Tensor) -> Tensor:
        return -law.energy(target.to_law(x.double()))

    return negative_energy


def learned_from(data: ArrayData | BatchSource, training: TrainingConfig) -> ArrayData | BatchSource:
    """Return what batches are made of: the data, or with `from_energy` batches that say how many samples to draw."""
    if training.from_energy is None or not isinstance(data, ArrayData):
        return data
    return EnergySource(data.space, training.batch_size, name=data.name)
