r"""Small GANs, healthy and made to collapse, labelled by the truth: what the health monitors are judged by.

    python benchmarks/gan_collapse.py tests/health/collapse_runs.jsonl.gz

Every game is one of `families.gan.GAN`, trained by `fit`, on mixtures whose modes are known and on digits of 8x8, with
recipes from the default to those of which everybody warns: no penalty, huge steps, a tiny or slow discriminator, many
turns of it, a narrow generator. Games of one recipe are played side by side on stacked weights (`Games`), which costs a
quarter of playing them one by one. A finished stack is appended, one line per game, so that a stopped command goes on
where it was; `--minutes` stops it early. Thresholds were chosen on the even seeds.

**Truth**, at every tenth of the run, from 4,000 samples of the weights as they are at that step, never from a monitor:

- variety: $e^{-\mathrm{KL}}$ of the shares of samples nearest to each mode, against the shares of the law: the
  effective share of the modes (half of them reached evenly: 1/2). The modes of the digits are 20 cells of k-means;
- quality: share of samples within a mode (`evaluation.coverage`, 98.9 % where perfect), and for digits Kynkaanniemi's
  precision over that of held-out digits;
- width: standard deviation inside the modes over that of the law; null where no sample of quality shows it.

**Labels.** *collapsed*: at the end the variety is below 1/2 or the width below 1/10. *healthy*: at the end variety at
least 0.8, quality at least 1/8 and width at least 0.3, and never below 1/2 in variety from two fifths of the run on.
*neither*: all else, in neither rate.

One line: recipe, data, seed, steps, label, truth (columns step, variety, quality, width), terms and rows (columns as in
terms, four digits: means over two steps of every 16, those at which distances are measured; losses without
penalties), seconds (its share of those of the stack).
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import math
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from veridical.config import DataConfig, GANConfig, OptimizerConfig
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.data.space import Space
from veridical.evaluation.coverage import find_modes
from veridical.evaluation.manifold import Sample, manifold
from veridical.families.gan import GAN
from veridical.objectives.adversarial import OBJECTIVES, pair
from veridical.objectives.game import STATISTICS_EVERY, Turn, diagnose, discriminator_turn, generator_turn
from veridical.targets import GaussianMixture, grid, ring
from veridical.training.fit import Callback, State, fit

SAMPLES = 4_000
LOG_EVERY = 16
BATCH = 64
Truth = tuple[int, float, float, float]
"""step, variety, quality, width"""


def adam(lr: float = 1e-3, betas: tuple[float, float] = (0.5, 0.999), schedule: Any = "constant") -> OptimizerConfig:
    """Return the optimiser of the early papers."""
    return OptimizerConfig(lr=lr, betas=betas, schedule=schedule)


def players(generator: OptimizerConfig, discriminator: OptimizerConfig | None = None) -> dict[str, Any]:
    """Name the optimisers of both."""
    return {"generator_optimizer": generator, "discriminator_optimizer": discriminator or generator}


BARE: dict[str, Any] = {"relativistic": False, "r1": 0.0, "r2": 0.0}
PLAIN = BARE | players(adam(2e-3))
"""The GAN of 2014 with Adam as in DCGAN."""
BLIND = {"fourier_octaves": 0}

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "nonsaturating, R1": BARE | {"r1": 0.5},
    "nonsaturating, R1 and R2": {"relativistic": False},
    "hinge, R1 and R2": {"relativistic": False, "objective": "hinge"},
    "WGAN-GP": BARE | {"objective": "wasserstein", "gradient_penalty": 1.0, "discriminator_turns": 2},
    "plain": PLAIN,
    "minimax, plain": PLAIN | BLIND | {"objective": "minimax"},
    "Wasserstein, no penalty": PLAIN | BLIND | {"objective": "wasserstein"},
    "tiny D": PLAIN | BLIND | {"discriminator_depth": 1, "discriminator_width": 4},
    "slow D": PLAIN | BLIND | players(adam(5e-3), adam(2e-4)),
    "huge steps": PLAIN | BLIND | players(adam(3e-2)),
    "tiny G": {"depth": 0, "latent_dim": 1},
}
"""Name -> what differs from the default. No normalisation in any."""


def mixture(name: str) -> GaussianMixture:
    """Return the law of a name, its components of mean 0 and deviation 1: modes far apart, each within easy reach."""
    side = torch.arange(-2, 3, 2, dtype=torch.float64)
    means, sigma = {
        "ring": (ring().means, 0.08),
        "square": (torch.cartesian_prod(side, side), 0.2),
        "grid": (grid().means, 0.2),
        "cloud": (2 * torch.randn(10, 4, generator=torch.Generator().manual_seed(10), dtype=torch.float64), 0.3),
    }[name]
    scale = math.sqrt(float((means - means.mean(dim=0)).square().mean()) + sigma**2)
    return GaussianMixture((means - means.mean(dim=0)) / scale, sigma / scale, name=name)


class Known:
    """Data with the modes that are known of them."""

    def __init__(self, name: str) -> None:
        self.name, self.target = name, None
        if name == "digits":
            self.data = load(DataConfig(source="digits", labels=False))
            held_out = load(DataConfig(source="digits", labels=False), "test")
            self.images = Sample(self.rows(self.data))
            self.precise = manifold(self.images, Sample(self.rows(held_out))).precision
            self.centres = k_means(self.images.rows, 20)
            cell, square = nearest(self.images.rows, self.centres)
            self.law = torch.bincount(cell, minlength=20).double() / len(cell)
            self.variance = float(square.mean())
        else:
            self.target = mixture(name)
            x = self.target.sample(50_000, torch.Generator().manual_seed(0))
            space = Space((self.target.dim,), kind="vector", support=None, levels=None)
            self.data = ArrayData(x, space=space, name=name, target=self.target)

    @staticmethod
    def rows(data: ArrayData) -> Tensor:
        """Return all examples as vectors."""
        return data.batch(torch.arange(len(data))).x.flatten(1).double()

    def truth(self, x: Tensor) -> tuple[float, float, float]:
        """Measure samples: variety, quality, width."""
        if self.target is not None:
            found = find_modes(x, self.target)
            width = math.sqrt(found.squares.mean()) if len(found.squares) > 1 else math.nan
            share = torch.from_numpy(found.nearest) / len(x)
            return variety_of(share, self.target.weights), float(found.high_quality.sum() / len(x)), width
        x = x.flatten(1).double()
        cell, _ = nearest(x, self.centres)
        share = torch.bincount(cell, minlength=len(self.law)).double() / len(x)
        own = torch.stack([x[cell == k].mean(dim=0) if (cell == k).any() else self.centres[k] for k in range(20)])
        spread = float((x - own[cell]).square().sum(dim=1).mean())
        precision = manifold(self.images, Sample(x[:1000])).precision / self.precise
        return variety_of(share, self.law), precision, math.sqrt(spread / self.variance)


def variety_of(share: Tensor, law: Tensor) -> float:
    """Return the effective share of the modes, from the shares of samples nearest to each."""
    return math.exp(-float((torch.xlogy(share, share) - torch.xlogy(share, law)).sum()))


def nearest(x: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest centre of each row, and the squared distance to it."""
    square, cell = torch.cdist(x, centres).square().min(dim=1)
    return cell, square


def k_means(x: Tensor, k: int, rounds: int = 30) -> Tensor:
    """Return k centres (Lloyd), begun at examples drawn with a fixed seed."""
    centres = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:k]]
    for _ in range(rounds):
        cell, _ = nearest(x, centres)
        centres = torch.stack([x[cell == i].mean(dim=0) if (cell == i).any() else centres[i] for i in range(k)])
    return centres


class Stacked(nn.Module):
    """Networks of one shape, side by side: game i sees the i-th part of the batch."""

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        parameters, buffers = stack_module_state(networks)
        self.names, self.buffer_names = list(parameters), list(buffers)
        self.weights = nn.ParameterList([parameters[name].detach() for name in self.names])
        for k, name in enumerate(self.buffer_names):
            self.register_buffer(f"buffer_{k}", buffers[name])
        self.games = len(networks)
        self._network = [copy.deepcopy(networks[0]).to("meta")]  # hidden in a list: its weights are not parameters

    def forward(self, x: Tensor) -> Tensor:
        """Apply each network to its part, (games B, ...) to (games B, ...)."""
        weights = dict(zip(self.names, self.weights, strict=True))
        buffers = {name: getattr(self, f"buffer_{k}") for k, name in enumerate(self.buffer_names)}
        parts = x.reshape(self.games, -1, *x.shape[1:])
        return vmap(lambda w, b, v: functional_call(self._network[0], (w, b), (v,)))(weights, buffers, parts).flatten(
            0, 1
        )

    def norms(self) -> Tensor:
        """Norm of the gradient of each network, as it would be alone."""
        squares = [w.grad.flatten(1).square().sum(dim=1) for w in self.weights if w.grad is not None]
        return torch.stack(squares).sum(dim=0).sqrt()


class Games(GAN):
    """GANs of one recipe side by side; what each would log is in `terms`."""

    def __init__(self, config: GANConfig, space: Space, seeds: list[int]) -> None:
        alone = []
        for seed in seeds:
            torch.manual_seed(seed)
            alone.append(GAN(config, space))
        generator = Stacked([game.generator for game in alone])
        discriminator = Stacked([game.discriminator for game in alone])
        super().__init__(config, space, generator=generator, discriminator=discriminator)
        self.games = len(seeds)
        self.terms: dict[str, list[Tensor]] = defaultdict(list)
        self.step = 0

    def discriminator_loss(self, batch: Batch, step: int) -> Turn:
        """Play all games; the sum of their losses gives each the gradient that it has alone."""
        self.step, seen = step, []
        with torch.no_grad():
            x_fake = self.fakes(batch)

        def logits(x: Tensor) -> Tensor:
            seen.append(self.logits(x))
            return seen[-1]

        turn = discriminator_turn(replace(self.game, joint=False), logits, batch.x, x_fake, step=step)
        if step % STATISTICS_EVERY == 0:
            self._note("discriminator", self._diagnose(batch.x, x_fake, seen[0].detach(), seen[1].detach(), step))
        return Turn(turn.loss * self.games, {})

    def generator_loss(self, batch: Batch, step: int) -> Turn:
        """Likewise."""
        seen = []

        def logits(x: Tensor) -> Tensor:
            seen.append(self.logits(x))
            return seen[-1]

        turn = generator_turn(self.game, logits, batch.x, self.fakes(batch), step=step)
        if step % STATISTICS_EVERY < self.config.discriminator_turns:
            judged = seen[0].detach()
            judged = pair(seen[1].detach(), judged)[1] if self.config.relativistic else judged
            losses = [OBJECTIVES[self.config.objective].generator(part) for part in judged.chunk(self.games)]
            self._note("generator", [{"loss": loss} for loss in losses])
        return Turn(turn.loss * self.games, {})

    def after_update(self, player: str) -> None:
        """Note the norms of the gradients that were just used."""
        network: Any = self.get_submodule(player)
        if self.step % STATISTICS_EVERY < (self.config.discriminator_turns if player == "generator" else 1):
            self.terms[f"{player}/grad_norm"].append(network.norms())

    def _diagnose(self, *what: Any) -> list[dict[str, Tensor]]:
        *tensors, step = what
        found = []
        for x, x_fake, real, fake in zip(*(v.chunk(self.games) for v in tensors), strict=True):
            terms = diagnose(x, x_fake, real, fake, relativistic=self.config.relativistic, step=step)
            pairs = pair(real, fake) if self.config.relativistic else (real, fake)
            loss = OBJECTIVES[self.config.objective].discriminator(*pairs)
            found.append({"loss": loss / 2 if self.config.relativistic else loss} | terms)
        return found

    def _note(self, player: str, found: list[dict[str, Tensor]]) -> None:
        for term in found[0]:
            self.terms[f"{player}/{term}"].append(torch.stack([terms[term] for terms in found]))

    def flush(self) -> list[dict[str, float]]:
        """Return a row of each game, and start anew."""
        means = {term: torch.stack(values).mean(dim=0).tolist() for term, values in self.terms.items()}
        self.terms.clear()
        return [{term: values[i] for term, values in means.items()} for i in range(self.games)]


class SideBySide:
    """Batches of all games, one after the other."""

    def __init__(self, loaders: list[Loader]) -> None:
        self.loaders = loaders

    def batch(self, step: int) -> Batch:
        """Return the batches of a step as one."""
        parts = [loader.batch(step) for loader in self.loaders]
        return Batch(torch.cat([part.x for part in parts]), torch.cat([part.index for part in parts]))


class Watch(Callback):
    """Keeps the rows of every game, and its truth at every tenth."""

    def __init__(self, known: list[Known], seed: int) -> None:
        self.known, self.seed = known, seed
        self.rows: list[list[dict[str, Any]]] = [[] for _ in known]
        self.truth: list[list[Truth]] = [[] for _ in known]

    def on_log(self, state: State, row: dict[str, Any]) -> None:
        """Keep the rows."""
        for rows, found in zip(self.rows, state.model.flush(), strict=True):  # type: ignore[attr-defined]
            rows.append({"step": state.step} | found)

    def on_step(self, state: State) -> None:
        """Measure, on random numbers of its own."""
        if state.step % (state.steps // 10) == 0:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(7_000 + self.seed)
                x = state.model.sample(SAMPLES * len(self.known))  # type: ignore[attr-defined]
            for truth, known, part in zip(self.truth, self.known, x.chunk(len(self.known)), strict=True):
                truth.append((state.step, *known.truth(part)))


def label_of(truth: list[Truth], steps: int) -> str:
    """Pass the verdict of the module's docstring."""
    if not truth:
        return "neither"
    _, variety, quality, width = truth[-1]
    if variety < 0.5 or width < 0.1:
        return "collapsed"
    sound = variety >= 0.8 and quality >= 0.125 and width >= 0.3 and truth[-1][0] == steps
    return "healthy" if sound and all(v >= 0.5 for step, v, _, _ in truth if step >= 0.4 * steps) else "neither"


def configuration(recipe: str, data: str) -> tuple[GANConfig, int]:
    """Return the choices and the steps of a run: small networks, since the game matters and not the images."""
    images = data == "digits"
    small: dict[str, Any] = {"width": 12, "latent_dim": 16} if images else {"width": 32, "depth": 2}
    small |= {} if images else {"discriminator_depth": 2, "latent_dim": 4, "fourier_octaves": 4}
    small |= players(OptimizerConfig(lr=3e-3, betas=(0.0, 0.99), schedule="linear"))
    return GANConfig(**small | RECIPES[recipe]), 240 if images else 480


def play(recipe: str, known: list[Known], seeds: list[int]) -> list[dict[str, Any]]:
    """Train the games of one stack and return their lines."""
    config, steps = configuration(recipe, known[0].name)
    model = Games(config, known[0].data.space, seeds)
    watch, started = Watch(known, seeds[0]), time.perf_counter()
    torch.manual_seed(seeds[0])
    loaders = [Loader(of.data, BATCH, seed=seed) for of, seed in zip(known, seeds, strict=True)]
    fit(State(model, steps=steps), SideBySide(loaders), log_every=LOG_EVERY, callbacks=[watch])
    seconds = (time.perf_counter() - started) / len(known)
    lines = []
    for of, seed, truth, rows in zip(known, seeds, watch.truth, watch.rows, strict=True):
        terms = ["step", *sorted({term for row in rows for term in row if "/" in term})]
        lines.append(
            {
                "recipe": recipe,
                "data": of.name,
                "seed": seed,
                "steps": steps,
                "label": label_of(truth, steps),
                "truth": [[step, *map(four_digits, values)] for step, *values in truth],
                "terms": terms,
                "rows": [[four_digits(row.get(term)) for term in terms] for row in rows],
                "seconds": round(seconds, 2),
            }
        )
    return lines


def four_digits(value: float | None) -> float | None:
    """Round for the file; what is not a number becomes null."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.4g}")


def read(path: Path) -> list[dict[str, Any]]:
    """Read the lines written so far."""
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


ON_CLOUD = ("default", "nonsaturating, R1", "plain", "huge steps")
ON_DIGITS = ("default", "nonsaturating, R1", "slow D", "huge steps")


def plan() -> list[tuple[str, list[str], list[int]]]:
    """Return every stack: recipe, data of its games, their seeds; no seed is used twice, they alternate."""
    stacks = [(recipe, [name for name in ("ring", "square", "grid") for _ in range(2)]) for recipe in RECIPES]
    stacks += [(recipe, ["cloud"] * 4) for recipe in ON_CLOUD] + [(recipe, ["digits"] * 4) for recipe in ON_DIGITS]
    stacks += [(recipe, ["cloud"] * 4) for recipe in ("slow D", "minimax, plain")]
    return [(recipe, data, list(range(20 * i, 20 * i + len(data)))) for i, (recipe, data) in enumerate(stacks)]


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=math.inf)
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    done = {run["seed"] for run in read(given.file)}
    known: dict[str, Known] = {}
    for recipe, data, seeds in plan():
        if seeds[0] in done:
            continue
        if time.monotonic() - started > 60 * given.minutes:
            print(f"stopped after {given.minutes} minutes")
            return
        known |= {name: Known(name) for name in dict.fromkeys(data) if name not in known}
        lines = play(recipe, [known[name] for name in data], seeds)
        with given.file.open("ab") as file:
            file.write(gzip.compress("".join(map(to_json, lines)).encode(), mtime=0))
        for run in lines:
            truth = run["truth"][-1]
            print(
                f"{run['data']} | {recipe} | {run['seed']} | {run['label']} | {truth} | {run['seconds']} s", flush=True
            )


def to_json(run: dict[str, Any]) -> str:
    """Return a line."""
    return json.dumps(run, separators=(",", ":"), allow_nan=False) + "\n"


if __name__ == "__main__":
    main()
