"""Whether a conditional model draws the requested class, and whether a classifier is right.

- class_match: the share of samples of a class whose nearest training example, in feature space, has that class. Real
  held-out examples do not score 1 either; their score is the reference. Above it, samples are more typical of their
  class than data are.
- class_accuracy: the share of held-out examples that the model classifies correctly.
"""

import time

import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.evaluation.density import BATCH
from veridical.evaluation.extractors import Extractor
from veridical.evaluation.features import FeatureSets, extract
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.neighbours import nearest
from veridical.model import Classifier, GenerativeModel, Sampler, draws_classes
from veridical.noise import SampleNoise
from veridical.statistics import wilson_interval

EXAMPLES = 2_000
"""Samples with a class, and held-out examples, in a comparison."""

_BLOCK = 64


def class_shares(model: GenerativeModel, data: ArrayData) -> Float[Tensor, " classes"] | None:
    """Return the shares of the classes in the data; None: the model draws no given class, or there are no labels.

    A perfect conditional model has the distribution of the data where its labels have the shares of the data.
    """
    labels = data.labels
    if not draws_classes(model) or labels is None or labels.ndim != 1 or labels.is_floating_point():
        return None
    return torch.bincount(labels.cpu(), minlength=model.classes).double() / len(labels)


@torch.no_grad()
def draw_of(model: Sampler, c: Int[Tensor, " n"], device: torch.device, seed: int) -> Float[Tensor, "n *event"]:
    """Draw one sample of every label, on the CPU; the same for the same seed.

    Args:
        model: a conditional model of these classes.
        c: the labels, from 0.
        device: that of the model.
        seed: of the noise.
    """
    parts = []
    for start in range(0, len(c), _BLOCK):
        labels = c[start : start + _BLOCK].to(device)
        noise = SampleNoise(seed, start, len(labels), device)
        parts.append(model.sample(len(labels), labels, noise=noise).float().cpu())
    return torch.cat(parts)


def measure_class_match(
    samples: Float[Tensor, "n *event"],
    c: Int[Tensor, " n"],
    features: FeatureSets,
    train: ArrayData,
    test: ArrayData | None,
) -> list[Measurement]:
    """Measure class_match (module docstring).

    Args:
        samples: of a model.
        c: the class that was requested for each.
        features: of training and held-out data.
        train: the training data, with labels.
        test: held-out data with labels; None: training examples take their place, each compared with the others.
    """
    began = time.perf_counter()
    extractor: Extractor = features.extractor
    drawn = extract(iter(samples.split(BATCH)), extractor, len(samples), None, "samples of classes")
    hits = _labels(train)[nearest(drawn, features.train).index] == c.cpu()
    if test is None or features.test is None:
        rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(features.seed))[:EXAMPLES]
        real, truth = nearest(features.train[rows], features.train, exclude=rows), _labels(train)[rows]
    else:
        rows = torch.randperm(len(test), generator=torch.Generator().manual_seed(features.seed))[:EXAMPLES]
        real, truth = nearest(features.test[rows], features.train), _labels(test)[rows]
    null = _labels(train)[real.index] == truth
    classes = int(train.space.classes or 0)
    return [
        Measurement(
            "class_match",
            float(hits.double().mean()),
            "share",
            len(hits),
            higher_is_better=True,
            interval=wilson_interval(int(hits.sum()), len(hits)),
            method="Wilson",
            reference=float(null.double().mean()),
            reference_kind="null",
            reference_interval=wilson_interval(int(null.sum()), len(null)),
            seconds=time.perf_counter() - began,
            detail={
                "extractor": f"{extractor.name} v{extractor.version}",
                "null": features.null_kind,
                "of_each_class": [float(hits[c.cpu() == k].double().mean()) for k in range(classes) if (c == k).any()],
            },
        )
    ]


def measure_accuracy(
    model: Classifier, x: Float[Tensor, "n *event"], labels: Int[Tensor, " n"], device: torch.device
) -> list[Measurement]:
    """Measure class_accuracy (module docstring).

    Args:
        model: the classifier.
        x: held-out examples.
        labels: of them.
        device: where the model is.
    """
    began = time.perf_counter()
    with torch.no_grad():
        named = torch.cat([model.classify(batch.to(device)).argmax(dim=1).cpu() for batch in x.split(BATCH)])
    right, labels = int((named == labels.cpu()).sum()), labels.cpu()
    return [
        Measurement(
            "class_accuracy",
            right / len(x),
            "share",
            len(x),
            higher_is_better=True,
            interval=wilson_interval(right, len(x)),
            method="Wilson",
            seconds=time.perf_counter() - began,
            detail={"share_of_the_largest_class": float(labels.bincount().max()) / len(labels)},
        )
    ]


def _labels(data: ArrayData) -> Int[Tensor, " n"]:
    assert data.labels is not None  # metrics of classes need labels
    return data.labels.cpu()
