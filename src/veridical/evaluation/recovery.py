"""Whether the codes of a model are the factors of its data: the scores of `factors.py` as metrics.

There are two sources of pairs of codes and factors. An encoder reads codes from examples whose factors are known. A
generator with codes of its own draws examples of known codes, whose factors are measured.
"""

import time

import numpy as np
import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.evaluation.density import BATCH
from veridical.evaluation.factors import matched_accuracy, recover
from veridical.evaluation.measurement import Measurement
from veridical.model import Coded, Encoder, LatentVariable
from veridical.noise import SampleNoise
from veridical.statistics import wilson_interval
from veridical.targets.law import HasFactors, MeasuresFactors

EXAMPLES = 4_000
"""Pairs of codes and factors."""

PERMUTATIONS = 200

_CHECKED = 8
_LIKE_THE_LAW = 0.5


def factors_of(data: ArrayData, rows: Tensor) -> Tensor | None:
    """Return the factors of the rows of a data set; None where they are not known.

    A subset of a data set keeps its law but not the numbers of its rows, so a few examples are rendered and compared.
    """
    law = data.target
    if not isinstance(law, HasFactors):
        return None
    few = rows[:_CHECKED]
    x, again = data.batch(few, "cpu").x, law.render(law.factors(few), torch.float32)
    width = data.space.bin_width or 1e-4
    if x.shape != again.shape or float((x - again).abs().max()) > width:
        return None
    return law.factors(rows)


def measure_encoded_factors(
    model: Encoder, data: ArrayData, rows: Tensor, device: torch.device, seed: int
) -> list[Measurement]:
    """Measure the information of the posterior mean of every latent unit about every factor (`factors.recover`).

    Args:
        model: the encoder.
        data: whose factors are known.
        rows: of the examples.
        device: where the model is.
        seed: of resamples.

    Raises:
        ValueError: the factors of the rows are not known.
    """
    factors, law = factors_of(data, rows), data.target
    if factors is None or not isinstance(law, HasFactors):
        raise ValueError(f"the factors of these rows of {data.name} are not known; leave this metric out.")
    with torch.no_grad():
        codes = torch.cat(
            [model.posterior(data.batch(part, "cpu").x.to(device)).mean.flatten(1).cpu() for part in rows.split(BATCH)]
        )
    columns = [law.factor_names.index(name) for name in law.vary]
    return recover(codes.numpy(), factors[:, columns].numpy(), factor_names=law.vary, seed=seed).measurements()


def measure_coded_factors(
    model: Coded, law: MeasuresFactors, n: int, device: torch.device, seed: int
) -> list[Measurement]:
    """Measure the information of every code about every factor of the decoded examples (`factors.recover`).

    Args:
        model: with codes, and a decoder.
        law: measures factors.
        n: number of decoded examples.
        device: where the model is.
        seed: of the latents and of resamples.

    Raises:
        ValueError: the model does not decode, or too few decoded examples have factors.
    """
    if not isinstance(model, LatentVariable):
        raise ValueError(f"{type(model).__name__} has no latent codes; leave this metric out.")
    parts, found = [], []
    with torch.no_grad():
        for start in range(0, n, BATCH):
            z = model.prior(min(BATCH, n - start), SampleNoise(seed, start, min(BATCH, n - start), device))
            parts.append({name: code.double().cpu() for name, code in model.codes(z).items()})
            found.append(law.measure(model.decode(z).float().cpu())[0])
    names = [*parts[0]]
    codes = torch.stack([torch.cat([part[name] for part in parts]) for name in names], dim=1)
    factors = torch.cat(found)
    seen = factors.isfinite().all(dim=1)
    columns = [law.factor_names.index(name) for name in law.vary]
    varying = [j for j in columns if len(factors[seen, j].unique()) > 1]
    if int(seen.sum()) < 100 or not varying:
        raise ValueError(f"{int(seen.sum())} of {n} samples have factors that can be measured; train longer.")
    kept = [law.factor_names[j] for j in varying]
    found_factors = factors[seen][:, varying]
    return recover(
        codes[seen].numpy(), found_factors.numpy(), code_names=names, factor_names=kept, seed=seed
    ).measurements()


def measure_matched_classes(
    model: Coded, x: Tensor, labels: Tensor, device: torch.device, seed: int
) -> list[Measurement]:
    """Measure matched_classes: the share of examples whose category, as read, is the one that matches their class.

    The code that matches best is taken; codes have no names of classes, so unrelated ones score above 1/K; the 97.5 %
    quantile of their score is in the details as `null`.

    Args:
        model: with codes.
        x: examples in data space.
        labels: (n,) of them.
        device: where the model is.
        seed: of permutations.
    """
    began, rng = time.perf_counter(), np.random.default_rng(seed)
    with torch.no_grad():
        parts = [model.read_codes(batch.to(device)) for batch in x.split(BATCH)]
    codes = {name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]}
    categories = {name: code.numpy() for name, code in codes.items() if not code.is_floating_point()}
    if not categories:
        return []
    truth = labels.cpu().numpy()
    shares = {name: matched_accuracy(code, truth) for name, code in categories.items()}
    best = max(shares, key=lambda name: shares[name])
    permuted = [matched_accuracy(rng.permutation(categories[best]), truth) for _ in range(PERMUTATIONS)]
    return [
        Measurement(
            "matched_classes",
            shares[best],
            "share",
            len(x),
            higher_is_better=True,
            interval=wilson_interval(shares[best] * len(x), len(x)),
            method="Wilson",
            seconds=time.perf_counter() - began,
            detail={"code": best, "null": float(np.quantile(permuted, 0.975))},
        )
    ]


def measure_sample_factors(samples: Tensor, law: MeasuresFactors, seed: int) -> list[Measurement]:
    """Measure of_the_law, the share of samples that are examples of the law, and the spread of each of their factors.

    `factor_NAME` is the Kolmogorov-Smirnov distance between a factor of the samples and of as many draws of the law,
    all measured alike; its reference is what relabelled samples and draws score.

    Args:
        samples: of a model.
        law: measures factors.
        seed: of the draws of the law and of the relabellings.
    """
    began = time.perf_counter()
    drawn = law.render(law.factors(torch.arange(len(samples)) + (1 << 40) * (1 + seed)), torch.float32)
    (mine, off), (true, true_off) = law.measure(samples), law.measure(drawn)
    good, fine = off < _LIKE_THE_LAW, true_off < _LIKE_THE_LAW
    n, seconds = len(samples), time.perf_counter() - began
    measured = [
        Measurement(
            "of_the_law",
            float(good.double().mean()),
            "share",
            n,
            higher_is_better=True,
            interval=wilson_interval(int(good.sum()), n),
            method="Wilson",
            reference=float(fine.double().mean()),
            reference_kind="ceiling",
            reference_interval=wilson_interval(int(fine.sum()), n),
            seconds=seconds,
            detail={"law": repr(law), "distance_below": _LIKE_THE_LAW},
        )
    ]
    if int(good.sum()) < 20:
        return measured
    rng = np.random.default_rng(seed)
    for name in law.vary:
        column = law.factor_names.index(name)
        a, b = mine[good, column].numpy(), true[fine, column].numpy()
        measured.append(_spread(f"factor_{name}", a, b, rng))
    return measured


def _spread(name: str, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> Measurement:
    """Distance of two columns, compared with that of relabelled ones."""
    began, both = time.perf_counter(), np.concatenate([a, b])
    value = ks_distance(a, b)
    resampled = [ks_distance(rng.choice(a, len(a)), rng.choice(b, len(b))) for _ in range(PERMUTATIONS)]
    shuffled = (rng.permutation(both) for _ in range(PERMUTATIONS))
    null = np.array([ks_distance(row[: len(a)], row[len(a) :]) for row in shuffled])
    low, high = np.quantile(np.array(resampled) + value - np.mean(resampled), [0.025, 0.975])
    reference = np.quantile(null, [0.025, 0.975])
    return Measurement(
        name,
        value,
        "1",
        len(a),
        higher_is_better=False,
        interval=(min(value, max(0.0, float(low))), max(value, float(high))),
        method="bootstrap, recentred",
        reference=float(null.mean()),
        reference_kind="floor",
        reference_interval=(0.0, float(reference[1])),
        seconds=time.perf_counter() - began,
        detail={"statistic": "Kolmogorov-Smirnov"},
    )


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest gap between the distribution functions of two columns.

    Examples:
        >>> ks_distance(np.array([0.0, 1.0]), np.array([0.0, 0.0]))
        0.5
    """
    both = np.concatenate([a, b])
    a, b = np.sort(a), np.sort(b)
    gap = np.searchsorted(a, both, "right") / len(a) - np.searchsorted(b, both, "right") / len(b)
    return float(np.abs(gap).max())
