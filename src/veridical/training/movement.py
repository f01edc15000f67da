r"""Records how far the weights of each player move in one step, relative to their size.

A player whose ratio is 0 is frozen; one whose ratio is far below 1e-4 for the whole run learns nothing in any number of
steps that can be afforded. The row of metrics.jsonl gets "<player>/update",

$$ \lVert \theta_{t+1} - \theta_t \rVert / \lVert \theta_{t+1} \rVert $$

of the last step before the row, if the player moved in it. A single step needs no history, so that a resumed run writes
the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from veridical.training.fit import Callback, Player, State
from veridical.training.spacing import is_due
from veridical.training.terms import Row

MOST = 1 << 20
"""Numbers of a player that are compared; of larger players evenly spaced ones."""


class Movement(Callback):
    """Adds "<player>/update" to rows; must precede the callbacks that write the rows.

    It draws no random numbers and changes no weight.

    Args:
        log_every: steps between rows, as passed to `fit`.
    """

    def __init__(self, log_every: int) -> None:
        self.log_every = log_every
        self.before: dict[str, Tensor] = {}

    def on_start(self, state: State) -> None:
        """Copy the weights if the first step ends with a row."""
        self.on_step(state)

    def on_step(self, state: State) -> None:
        """Copy the weights before a step that ends with a row."""
        following = state.step + 1
        if is_due(following, self.log_every) or following == state.steps:
            moving = state.game.turns(state.step)
            self.before = {name: weights(state.players[name]) for name in moving}

    def on_log(self, state: State, row: Row) -> None:
        """Compare."""
        for name, before in self.before.items():
            after = weights(state.players[name])
            if len(after):
                row[f"{name}/update"] = float((after - before).norm() / after.norm().clamp(min=1e-30))
        self.before = {}


@torch.no_grad()
def weights(player: Player) -> Tensor:
    """Return a copy of a player's weights as a vector; of a large player every k-th of each tensor."""
    every = max(1, sum(p.numel() for p in player.parameters) // MOST)
    parts = [p.detach().flatten()[::every].float() for p in player.parameters]
    return torch.cat(parts) if parts else torch.empty(0)
