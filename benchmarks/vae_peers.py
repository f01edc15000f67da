"""An epoch of a VAE on MNIST against pythae's trainer, with the same network, weights, losses and updates.

    python -m venv /tmp/vae-peers && /tmp/vae-peers/bin/pip install . && /tmp/vae-peers/bin/pip install --no-deps pythae
    /tmp/vae-peers/bin/pip install pydantic cloudpickle imageio tqdm
    OMP_NUM_THREADS=1 /tmp/vae-peers/bin/python benchmarks/vae_peers.py --network mlp
    OMP_NUM_THREADS=1 /tmp/vae-peers/bin/python benchmarks/vae_peers.py --network conv -n 512

Networks are pythae's: `mlp`, its default (784-512, 16 codes, 512-784), and `conv`, those of its benchmark on MNIST (128
to 1,024 channels, batch normalisation). Pixels are Bernoulli. Ours holds the same layers; our bound of log variances is
undone **inside our network**, so its cost is ours. Before anything is timed, losses and weights after several steps of
Adam on the same batches and noise must be equal to rounding, in fp32. Then epochs are timed in turn, in processor
seconds of one thread: pythae's `BaseTrainer.train` with its loader, without its bars; our `fit` with `Loader`, in fp32
and in the arithmetic that `train` chooses on this processor (or `--precision`); our `train`, with run directory,
checkpoints, monitors and grids of samples. The last rows are a step without any trainer, on slices of one tensor: what
no trainer can avoid in fp32.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from veridical.config import DataConfig, OptimizerConfig, TrainingConfig
from veridical.config.families.vae import VAEConfig
from veridical.data.batch import Batch
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.families.vae import VAE
from veridical.families.variational import LOG_VAR_BOUND
from veridical.training.arithmetic import choose_arithmetic
from veridical.training.engine import Engine
from veridical.training.fit import State, fit
from veridical.workflows.start import train

LATENT, LR = 16, 1e-3


class Encoder(nn.Module):
    """Pythae's encoder in our terms: bits of ±1 become 0 and 1, and our bound of log variances is undone."""

    def __init__(self, theirs: Any, flat: bool) -> None:
        super().__init__()
        self.layers, self.mean, self.log_var = theirs.layers, theirs.embedding, theirs.log_var
        self.flat = flat

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 1, 28, 28) to (B, 2 LATENT)."""
        h = ((x.flatten(1) if self.flat else x) + 1) / 2
        for layer in self.layers:
            h = layer(h)
        h = h.flatten(1)
        free = LOG_VAR_BOUND * torch.atanh(self.log_var(h) / LOG_VAR_BOUND)
        return torch.cat([self.mean(h), free], dim=1)


class Decoder(nn.Module):
    """Pythae's decoder without its sigmoid: ours returns logits."""

    def __init__(self, theirs: Any, flat: bool) -> None:
        super().__init__()
        *layers, last = theirs.layers
        self.layers, self.flat = nn.ModuleList([*layers, last[0]]), flat

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, LATENT) to logits (B, 1, 28, 28)."""
        for i, layer in enumerate(self.layers):
            z = layer(z)
            if i == 0 and not self.flat:
                z = z.unflatten(1, (-1, 4, 4))
        return z.unflatten(1, (1, 28, 28)) if self.flat else z


class Network(NamedTuple):
    """One of pythae's networks."""

    flat: bool
    """Whether it sees vectors."""

    def build(self) -> Any:
        """Return pythae's model."""
        from pythae.models import VAE as Pythae  # pyright: ignore[reportMissingImports]
        from pythae.models import VAEConfig as PythaeConfig  # pyright: ignore[reportMissingImports]
        from pythae.models.nn.benchmarks.mnist import (  # pyright: ignore[reportMissingImports]
            Decoder_Conv_AE_MNIST,
            Encoder_Conv_VAE_MNIST,
        )

        shape = (784,) if self.flat else (1, 28, 28)
        config = PythaeConfig(input_dim=shape, latent_dim=LATENT, reconstruction_loss="bce")
        if self.flat:
            return Pythae(config)
        return Pythae(config, encoder=Encoder_Conv_VAE_MNIST(config), decoder=Decoder_Conv_AE_MNIST(config))

    def peers(self, data: ArrayData, seed: int = 0) -> tuple[VAE, Any]:
        """Return our model and pythae's, with equal weights of their own."""
        torch.manual_seed(seed)
        theirs, copy = self.build(), self.build()
        with torch.no_grad():  # a sigmoid that is 1 in fp32 has no logarithm of the rest: pythae's loss then is another
            for layer in () if self.flat else theirs.decoder.layers[1:]:
                layer[0].weight.mul_(0.1)
        copy.load_state_dict(theirs.state_dict())
        optimizer = OptimizerConfig(name="adam", lr=LR, betas=(0.9, 0.999), schedule="constant")
        encoder, decoder = Encoder(copy.encoder, self.flat), Decoder(copy.decoder, self.flat)
        ours = VAE(VAEConfig(latent_dim=LATENT, optimizer=optimizer), data.space, encoder=encoder, decoder=decoder)
        return ours.train(), theirs.train()

    def bits(self, x: Tensor) -> Tensor:
        """Return images of ±1 as 0 and 1, as pythae's loss needs them."""
        return ((x.flatten(1) if self.flat else x) + 1) / 2


NETWORKS = {"mlp": Network(flat=True), "conv": Network(flat=False)}


def check(network: Network, data: ArrayData, steps: int, batch: int = 64) -> float:
    """Return the largest difference of weights after some steps on the same batches and noise.

    Args:
        network: of both.
        data: bits.
        steps: of training.
        batch: images of a step.

    Raises:
        AssertionError: losses, or the weights at the end, differ by more than rounding.
    """
    ours, theirs = network.peers(data)
    adam = torch.optim.Adam(theirs.parameters(), lr=LR)
    state, loader, found = State(ours, steps=steps), Loader(data, batch, seed=0), []

    class Pairs:
        """Our batches, on which pythae's model takes its step first."""

        def batch(self, step: int) -> Batch:
            """Let the other model take the step, and return the batch."""
            given = loader.batch(step)
            torch.manual_seed(step)
            loss = theirs({"data": network.bits(given.x)}).loss
            adam.zero_grad()
            loss.backward()
            adam.step()
            torch.manual_seed(step)
            torch.testing.assert_close(ours.loss(given, player="model", step=step).loss, loss, rtol=2e-5, atol=0)
            found.append(loss.item())
            torch.manual_seed(step)
            return given

    fit(state, Pairs(), log_every=steps)
    with torch.no_grad():
        mine = [*ours.encoder.parameters(), *ours.decoder.parameters()]
        pairs = zip(mine, theirs_in_our_order(theirs), strict=True)
        # Adam divides gradients by their size: where one is rounding alone (a bias before a normalisation), so is the
        # step. Means over matrices do not notice.
        worst = max(float((a - b).abs().mean()) for a, b in pairs if a.dim() > 1)
    assert worst < 0.01 * LR * steps, worst
    print(
        f"equal losses for {steps} steps, {found[0]:.2f} to {found[-1]:.2f} nats; weights differ by {worst:.1e} (mean)"
    )
    return worst


def theirs_in_our_order(theirs: Any) -> list[Tensor]:
    """Return the parameters of pythae's model in the order of ours."""
    encoder, decoder = theirs.encoder, theirs.decoder
    parts = [encoder.layers, encoder.embedding, encoder.log_var, decoder.layers]
    return [parameter for part in parts for parameter in part.parameters()]


def pythae_epoch(network: Network, data: ArrayData, batch: int) -> Callable[[], None]:
    """Return an epoch of pythae's trainer, with its loader, deep copies and final model, without bars."""
    from pythae.data.datasets import BaseDataset  # pyright: ignore[reportMissingImports]
    from pythae.trainers import BaseTrainer, BaseTrainerConfig  # pyright: ignore[reportMissingImports]

    logging.getLogger("pythae").setLevel(logging.ERROR)
    logging.getLogger("pythae.trainers.base_trainer.base_trainer").setLevel(logging.ERROR)
    x = network.bits(data.batch(torch.arange(len(data)), "cpu").x)
    dataset = BaseDataset(x, torch.zeros(len(x)))
    folder = tempfile.mkdtemp()
    config = BaseTrainerConfig(
        output_dir=folder, num_epochs=1, per_device_train_batch_size=batch, learning_rate=LR, no_cuda=True
    )

    def work() -> None:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            BaseTrainer(model=network.peers(data)[1], train_dataset=dataset, training_config=config).train()

    return work


def our_fit(network: Network, data: ArrayData, batch: int, precision: str) -> Callable[[], None]:
    """Return an epoch of our loop.

    Args:
        network: of the model.
        data: bits.
        batch: images of a step.
        precision: "fp32", "bf16", or "auto".
    """
    engine = Engine("cpu")
    engine.arithmetic = choose_arithmetic(engine.device, network.peers(data)[0], (batch, 1, 28, 28), precision)[0]

    def work() -> None:
        ours = network.peers(data)[0]
        engine.place(ours)
        fit(State(ours, steps=len(data) // batch), Loader(data, batch, seed=0), engine)

    return work


def our_train(network: Network, data: ArrayData, batch: int, precision: Any) -> Callable[[], None]:
    """Return an epoch of a whole run: directory, checkpoints, monitors, grids of samples.

    Args:
        network: of the model.
        data: bits.
        batch: images of a step.
        precision: "fp32", "bf16", or "auto".
    """

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            steps = len(data) // batch
            training = TrainingConfig(steps=steps, batch_size=batch, device="cpu", ema=0.0, precision=precision)
            out = Path(folder) / "run"
            train(model=network.peers(data)[0], data=data, training=training, out=out, say=lambda line: None)

    return work


def bare(network: Network, data: ArrayData, batch: int, ours: bool) -> Callable[[], None]:
    """Return an epoch of forward, backward and Adam on slices of one tensor: what no trainer can avoid.

    Args:
        network: of the model.
        data: bits.
        batch: images of a step.
        ours: our model, or pythae's.
    """
    x = data.batch(torch.arange(len(data)), "cpu").x

    def work() -> None:
        mine, theirs = network.peers(data)
        model = mine if ours else theirs
        adam = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
        for part in x.split(batch)[: len(x) // batch]:
            index = torch.arange(len(part))
            if ours:
                loss = mine.loss(Batch(part, index), player="model", step=0).loss
            else:
                loss = theirs({"data": network.bits(part)}).loss
            adam.zero_grad()
            loss.backward()
            adam.step()

    return work


def main() -> None:
    """Check, time in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist", help="28 x 28, binarised at the middle of its range")
    parser.add_argument("--network", choices=NETWORKS, default="mlp")
    parser.add_argument("-n", type=int, default=6_400, help="images of an epoch")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", nargs="+", default=["fp32", "auto"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    grey = load(DataConfig(source=options.data))
    x = grey.batch(torch.arange(min(options.n, len(grey))), "cpu").x
    data = ArrayData((x > 0).to(torch.uint8), levels=2, kind="image", name=f"{grey.name}, binarised")
    network = NETWORKS[options.network]
    check(network, data, steps=20 if network.flat else 2)
    print(f"{len(data):,} images of {data.name}, one thread, torch {torch.__version__}, {options.rounds} rounds")
    print("| network | epoch | images/s | ratio by rounds: median (least to largest) |\n|---|---|---|---|")
    batch = options.batch
    works = {"pythae's `BaseTrainer.train`": pythae_epoch(network, data, batch)}
    for precision in options.precision:
        works[f"`fit` with `Loader`, {precision}"] = our_fit(network, data, batch, precision)
    last = options.precision[-1]
    works[f"`train`, with all that a run writes, {last}"] = our_train(network, data, batch, last)
    works["arithmetic alone, ours"] = bare(network, data, batch, ours=True)
    works["arithmetic alone, pythae's"] = bare(network, data, batch, ours=False)
    compare(options.network, works, len(data), options.rounds)


def compare(network: str, works: dict[str, Callable[[], None]], n: int, rounds: int) -> None:
    """Time all epochs in turn, and print a row for each.

    Args:
        network: its name.
        works: the epochs by name; the first is that of pythae.
        n: images of an epoch.
        rounds: turns of each.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.process_time()
            work()
            times[name].append(time.process_time() - began)
    first = times[next(iter(works))]
    for name, found in times.items():
        ratios = [a / b for a, b in zip(first, found, strict=True)]
        speed = n / statistics.median(found)
        between = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {network} | {name} | {speed:,.0f} | {statistics.median(ratios):.2f} ({between}) |", flush=True)


if __name__ == "__main__":
    main()
