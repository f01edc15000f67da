"""Do the features of DCGAN's discriminator classify?

    python benchmarks/dcgan_features.py

After Radford, Metz & Chintala (2016), §5. The preset `dcgan` trains on the 10,000 images of `fashion-mnist-10k`, and
is never shown a label. Then, as in the paper, the activations of every convolution are max-pooled to a grid of 4x4,
flattened and put side by side, and a linear L2-SVM (scikit-learn) learns the labels from them; beside it the same from
the pixels, and from the discriminator before its first step. The SVM's C is chosen on 2,000 of the training images,
after learning from 4,000. Accuracy is that on the 2,000 test images, with its standard error; the statistics of batch
normalisation are those of the training images, for the trained network and the untrained one alike.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from veridical.config import DataConfig
from veridical.config.presets import find_preset
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.families.gan import GAN
from veridical.nn.dcgan import DCGANTrunk, start_small
from veridical.training.arithmetic import Arithmetic
from veridical.training.engine import Engine
from veridical.training.fit import State, fit

ROWS = ("pixels", "untrained", "trained")
CHOICES_OF_C = (0.3, 1.0, 3.0)


def train(data: ArrayData, trunk: DCGANTrunk, steps: int) -> None:
    """Train the trunk as the discriminator of the preset, in the arithmetic that is fastest on recent processors."""
    head = nn.Linear(trunk.feature_dim, 1, bias=False)
    start_small(head)
    preset = find_preset("dcgan")
    model = GAN(preset.model, data.space, discriminator=nn.Sequential(trunk, head))  # type: ignore[arg-type]
    engine = Engine("cpu", arithmetic=Arithmetic("bf16", channels_last=True))
    engine.place(model)
    fit(State(model, steps=steps), Loader(data, preset.training.batch_size, seed=0), engine)
    trunk.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


@torch.no_grad()
def features(trunk: DCGANTrunk, x_train: Tensor, x_test: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the pooled activations of every convolution, normalised with the statistics of the training images."""
    trunk = copy.deepcopy(trunk).train()
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over batches
    for x in x_train.split(500):
        trunk(x)
    trunk.eval()

    def pooled(x: Tensor) -> Tensor:
        return torch.cat([nn.functional.adaptive_max_pool2d(h, 4).flatten(1) for h in trunk.maps(x)], dim=1)

    found = [torch.cat([pooled(part) for part in x.split(500)]).numpy() for x in (x_train, x_test)]
    return found[0], found[1]


def classify(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> tuple[float, float]:
    """Return the SVM's accuracy on the test examples, and its C."""
    mean, norm = x_train.mean(0), np.sqrt(x_train.var(0).sum())  # one scale, so that C means the same for all
    x_train, x_test = (x_train - mean) / norm, (x_test - mean) / norm
    fifth = np.arange(len(x_train)) % 5

    def fitted(c: float, rows: np.ndarray) -> LinearSVC:
        return LinearSVC(C=c, dual=True, tol=0.1, max_iter=1000, random_state=0).fit(x_train[rows], y_train[rows])  # pyright: ignore

    scores = {c: fitted(c, fifth < 2).score(x_train[fifth == 2], y_train[fifth == 2]) for c in CHOICES_OF_C}
    chosen = max(scores, key=lambda c: scores[c])
    return float(fitted(chosen, np.ones(len(x_train), bool)).score(x_test, y_test)), chosen


def main() -> None:
    """Train, extract, classify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion-mnist-10k")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--trunk", type=Path, default=None, help="trained weights: read if there, written otherwise")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data, test = (load(DataConfig(source=given.data), split) for split in ("train", "test"))
    (x_train, _, y_train), (x_test, _, y_test) = (d.batch(torch.arange(len(d))) for d in (data, test))
    assert y_train is not None and y_test is not None
    labels, labels_test = y_train.numpy(), y_test.numpy()

    def report(name: str, pair: tuple[np.ndarray, np.ndarray], seconds: float) -> None:
        accuracy, c = classify(pair[0], labels, pair[1], labels_test)
        error = (accuracy * (1 - accuracy) / len(labels_test)) ** 0.5
        print(f"| {name} | {pair[0].shape[1]} | {c} | {accuracy:.4f} ± {error:.4f} | {seconds:.0f} |", flush=True)

    print("| features | number | C | accuracy | s of training |\n|---|---|---|---|---|")
    if "pixels" in given.rows:
        report("pixels", (x_train.flatten(1).numpy(), x_test.flatten(1).numpy()), 0)
    torch.manual_seed(0)
    trunk = DCGANTrunk(data.space)
    if "untrained" in given.rows:
        report("D untrained", features(trunk, x_train, x_test), 0)
    if "trained" in given.rows:
        started = time.perf_counter()
        if given.trunk is not None and given.trunk.exists():
            trunk.load_state_dict(load_file(given.trunk))
        else:
            train(data, trunk, given.steps)
        seconds = time.perf_counter() - started
        if given.trunk is not None and not given.trunk.exists():
            save_file(trunk.state_dict(), given.trunk)
            print(f"trained {given.steps} steps in {seconds:.0f} s", flush=True)
        report(f"D after {given.steps} steps", features(trunk, x_train, x_test), seconds)


if __name__ == "__main__":
    main()
