"""Records the largest singular values of every layer during training.

They change before a collapse: the singular values of the generator's layers, most of all the first ones, grow without
bound, and those of the discriminator jump (Brock, Donahue & Simonyan, Large Scale GAN Training, 2019, Sec. 4).
`spectra.jsonl` of the run gets a line at the start and every so many steps,

    {"step": 500, "layers": {"generator.blocks.0.first": [1.9, 1.7, 1.6], ...}}

and the terms of the next line of metrics.jsonl get "<player>/sigma_max", the largest over all layers of a player, for
the monitors of health and the curves of the report.
"""

from __future__ import annotations

import torch
from torch import Tensor

from veridical.nn.spectral import learned_weight, top_singular_values, weighted_layers
from veridical.run import Run, append_lines, keep_lines_until
from veridical.training.fit import Callback, State
from veridical.training.spacing import SPECTRA_LINES, is_due

SPECTRA = "spectra.jsonl"
"""Name of the file in a run directory."""


class SingularValues(Callback):
    """Writes the top singular values of every layer, as it acts, of the live weights.

    It draws no random numbers and changes no weight. It must precede the `Checkpointer`, so that the terms are in
    the checkpoint of the step at which they were measured, and in every process, since the terms are averaged over all.

    Args:
        run: where the file is; None: write no file (as every process but the first does).
        every: steps between measurements.
        k: singular values per layer.

    Raises:
        ValueError: `every` or `k` is not positive.
    """

    def __init__(self, run: Run | None, every: int = 500, k: int = 3) -> None:
        if every < 1 or k < 1:
            raise ValueError(f"every is {every} and k {k}; expected positive numbers of steps and of singular values.")
        self.file = None if run is None else run.path / SPECTRA
        self.every, self.k = every, k

    def on_start(self, state: State) -> None:
        """Drop the lines of steps that will be done again; measure the untrained model."""
        if self.file is not None:
            keep_lines_until(self.file, state.step if state.step > 0 else -1)
        if state.step == 0:
            self.measure(state)

    def on_step(self, state: State) -> None:
        """Measure when due."""
        if is_due(state.step, self.every, SPECTRA_LINES):
            self.measure(state)

    def measure(self, state: State) -> None:
        """Write a line, and add the terms."""
        top = top_singular_values(state.module, self.k)
        if self.file is not None:
            layers = {name: [float(f"{value:.6g}") for value in values.tolist()] for name, values in top.items()}
            append_lines(self.file, [{"step": state.step, "layers": layers}])
        for player, largest in largest_of_players(state, top).items():
            name = f"{player}/sigma_max"
            if state.step not in state.terms.steps.get(name, ()):  # a checkpoint of this step contains them already
                state.terms.append(name, state.step, largest)


def largest_of_players(state: State, top: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return () the largest singular value of each player's layers; a player without weighted layers is left out."""
    owner = {id(p): name for name, player in state.players.items() for p in player.parameters}
    layers = dict(weighted_layers(state.module))
    found: dict[str, list[Tensor]] = {}
    for name, values in top.items():
        player = owner.get(id(learned_weight(layers[name])))
        if player is not None:
            found.setdefault(player, []).append(values[0])
    return {player: torch.stack(values).max() for player, values in found.items()}
