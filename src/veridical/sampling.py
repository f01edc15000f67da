"""The drawing function: example i of a seed is always the same.

Evaluation, the panels of reports, the grids of a training, `veridical.draw` and `veridical sample` all draw here.
Example i takes its random numbers from its own stream (`noise.py`), so it depends on the seed and on i alone. It
is always computed in the same block of examples (`block_size`) at the same place, since matrix products round
differently in blocks of another size: with equal blocks the bits are equal, otherwise the numbers agree to rounding.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from veridical.config.sampling import ConditionedSampling, RefinedSampling, SamplingOptions
from veridical.data.cache import available_memory
from veridical.latent.guidance import Classifier, Draw, conditioned, labels_for, refined, sampler_of
from veridical.model import Completer, Conditional, GenerativeModel, Sampler, draws_classes
from veridical.nn.modes import evaluating
from veridical.noise import Noise, SampleNoise
from veridical.training.callbacks import seeded


@dataclass(frozen=True)
class Given:
    """Examples of which a part is known: sample i completes example i, after the last again the first."""

    x: Tensor
    """(m, *event) examples in data space, of which the known components count."""

    known: Tensor
    """(*event) bool, the same for all."""

    def __post_init__(self) -> None:
        if len(self.x) == 0 or self.x.shape[1:] != self.known.shape:
            raise ValueError(
                f"x has shape {tuple(self.x.shape)} and known {tuple(self.known.shape)}; expected at least one example "
                "of that shape."
            )

    def rows(self, first: int, n: int) -> Tensor:
        """Return (n, *event): the examples of the samples first, first + 1, ..."""
        return self.x[(first + torch.arange(n)) % len(self.x)]


ON_GPU, SMALL, LARGE = 512, 256, 64
"""Examples computed together: on a GPU; on a CPU, of fewer than 256 components, and of more."""


def draw(
    model: GenerativeModel,
    n: int,
    *,
    seed: int = 0,
    label: int | None = None,
    options: SamplingOptions | None = None,
    first: int = 0,
    classifier: Classifier | None = None,
    shares: Tensor | None = None,
    given: Given | None = None,
) -> Tensor:
    """Draw examples first, first + 1, ... of a seed.

    Args:
        model: any `Sampler`; it is in evaluation mode while it draws.
        n: how many.
        seed: of the random numbers; torch's global generators stay as they are.
        label: class to draw, for models with labels; None: any, with `given` as its known part makes probable.
        options: of the model's family (`config/families/`); None: its defaults.
        first: index of the first example.
        classifier: logits of the classes that `options.condition` names.
        shares: (classes,) probabilities of the classes of a conditional model; None: all alike.
        given: examples to be completed by a `Completer`, instead of new ones.

    Returns:
        (n, *event) float32 examples in data space, on the CPU.

    Raises:
        ValueError: the model cannot be sampled in this way; the message gives the reason.
    """
    require_memory(n, model)
    blocks = draw_blocks(
        model,
        n,
        seed=seed,
        label=label,
        options=options,
        first=first,
        classifier=classifier,
        shares=shares,
        given=given,
    )
    return torch.cat([torch.empty(0, *model.space.shape), *blocks])


def require_memory(n: int, model: GenerativeModel) -> None:
    """Refuse a number of examples that do not fit into memory together.

    Raises:
        ValueError: they do not fit.
    """
    needed, free = 8 * n * model.space.dim, available_memory()  # float32, once in blocks and once joined
    if needed > free:
        raise ValueError(
            f"n is {n:,}; as many examples need {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free. "
            "Draw fewer at a time (from Python: first=...; veridical sample: --first), or into a folder of images."
        )


def draw_blocks(
    model: GenerativeModel,
    n: int,
    *,
    seed: int = 0,
    label: int | None = None,
    options: SamplingOptions | None = None,
    first: int = 0,
    classifier: Classifier | None = None,
    shares: Tensor | None = None,
    given: Given | None = None,
    block: int | None = None,
) -> Iterator[Tensor]:
    """Return the same examples as `draw` in pieces of at most `block` examples, each drawn when it is needed.

    Args:
        model: see `draw`.
        n: see `draw`.
        seed: see `draw`.
        label: see `draw`.
        options: see `draw`.
        first: see `draw`.
        classifier: see `draw`.
        shares: see `draw`.
        given: see `draw`.
        block: examples computed together; None: `block_size`.

    Raises:
        ValueError: the model cannot be sampled in this way; raised before anything is drawn.
    """
    size = block_size(model) if block is None else block
    if n < 0 or first < 0 or size < 1:
        raise ValueError(f"n is {n}, first {first} and block {size}; expected at least 0, 0 and 1.")
    refuse_label(model, label)
    refuse_shares(model, label, shares)
    with drawing(model, seed):
        drawer = drawer_of(model, options, seed, label, classifier, given)
    # A label that is not given follows from the known part of an example, and is drawn only where there is none.
    labels = given is None and options is not None and type(options).labels

    def blocks() -> Iterator[Tensor]:
        for start in range(first // size * size, first + n, size):
            noise = SampleNoise(seed, start, size, model.device)
            with drawing(model, seed * 1_000_003 + start):
                c = labels_for(model, noise, label, labels) if shares is None else labels_at(shares, noise)
                x = drawer(noise, c)
            yield x[max(first - start, 0) : first + n - start].float().cpu()

    return blocks()


def block_size(model: GenerativeModel) -> int:
    """Return how many examples are computed together: a fixed rule of device and size, on which their bits depend."""
    if model.device.type == "cuda":
        return ON_GPU
    return SMALL if model.space.dim < 256 else LARGE


def drawer_of(
    model: GenerativeModel,
    options: SamplingOptions | None,
    seed: int,
    label: int | None,
    classifier: Classifier | None,
    given: Given | None = None,
) -> Draw:
    """Return the function from noise to examples for these options.

    Args:
        model: in evaluation mode.
        options: of its family.
        seed: of the samples that are drawn once, before all blocks.
        label: class to draw.
        classifier: logits of the classes that a condition names.
        given: examples to be completed; the noise is then that of a seed.

    Raises:
        ValueError: the model cannot be sampled in this way.
    """
    sampler = sampler_of(model)
    refuse_deaf(sampler)
    if given is not None:
        return completed(model, options, given)
    if isinstance(options, RefinedSampling) and options.refine is not None:
        return refined(model, options, seed, label)
    if isinstance(options, ConditionedSampling) and options.condition is not None:
        return conditioned(model, options, classifier)
    return lambda noise, c: sampler.sample(noise.n, c, noise=noise, options=options)


def completed(model: GenerativeModel, options: SamplingOptions | None, given: Given) -> Draw:
    """Return the function from the noise of a seed to completed examples.

    Raises:
        ValueError: the model does not know the distribution of what is missing.
    """
    if not isinstance(model, Completer):
        raise ValueError(
            f"{type(model).__name__} does not know the distribution of missing components; an autoregressive model "
            "does, such as made or pixelcnn."
        )

    def draw(noise: Noise, c: Tensor | None) -> Tensor:
        assert isinstance(noise, SampleNoise)
        return model.complete(given.rows(noise.first, noise.n), given.known, c, noise=noise, options=options)

    return draw


@contextmanager
def drawing(model: GenerativeModel, seed: int) -> Iterator[None]:
    """Put the model into evaluation mode, without gradients; the global generator is seeded too."""
    with evaluating(model), torch.no_grad(), seeded(seed % 2**63, model.device):
        yield


def refuse_label(model: GenerativeModel, label: int | None) -> None:
    """Refuse a label that the data of the model do not have.

    Raises:
        ValueError: there are no labels, or not this one.
    """
    classes = model.space.classes
    if label is not None and (classes is None or not 0 <= label < classes):
        have = f"labels 0 to {classes - 1}" if classes else "no labels"
        raise ValueError(f"label is {label}; the data of this model have {have}.")
    if label is not None and isinstance(model, Conditional) and not draws_classes(model):
        raise ValueError(f"label is {label}; this model was trained without labels. Train with --model.labels.")


def labels_at(shares: Tensor, noise: Noise) -> Tensor:
    """Return (n,) labels of these probabilities; with equal ones the same labels as `noise.integers(classes)`.

    Args:
        shares: (classes,) probabilities.
        noise: one row per label.
    """
    ends = shares.double().cumsum(0).to(noise.device)
    return torch.searchsorted(ends / ends[-1], noise.uniform(dtype=torch.float64), right=True).clamp(max=len(ends) - 1)


def refuse_shares(model: GenerativeModel, label: int | None, shares: Tensor | None) -> None:
    """Refuse class shares that cannot be drawn.

    Raises:
        ValueError: the model draws no given class, a single class is requested as well, or they are not probabilities.
    """
    if shares is None:
        return
    if not draws_classes(model) or label is not None:
        why = "one label is given as well" if label is not None else f"{type(model).__name__} draws no given class"
        raise ValueError(f"shares are given, but {why}. Leave out one of them.")
    if shares.shape != (model.classes,) or bool((shares < 0).any()) or not float(shares.sum()) > 0:
        raise ValueError(f"shares is {shares.tolist()}; expected {model.classes} probabilities.")


def refuse_deaf(sampler: Sampler) -> None:
    """Refuse a `sample` that takes no noise.

    Raises:
        ValueError: it takes none.
    """
    parameters = inspect.signature(sampler.sample).parameters.values()
    if not any(p.name == "noise" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise ValueError(
            f"{type(sampler).__name__}.sample takes no noise, so its samples would not be repeatable; declare "
            "sample(self, n, c=None, *, noise=None, options=None) and draw from noise.normal and noise.uniform."
        )
