"""Draw from a model with its discriminator or a classifier: samples refined, or codes drawn under a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from veridical.config.sampling import ConditionedSampling, RefinedSampling
from veridical.latent.plug_and_play import Prior, log_label, plug_and_play
from veridical.latent.refinement import Logits, log_constant, pulled_back, refine, refine_codes, step_to_the_data
from veridical.mcmc.langevin import LogDensity
from veridical.model import Conditional, Discriminating, GenerativeModel, LatentVariable, Sampler
from veridical.noise import Noise, SampleNoise

Draw = Callable[[Noise, Tensor | None], Tensor]
"""From noise of n rows and (n,) labels to (n, *event) examples."""

Classifier = Callable[[Tensor], Tensor]
"""(B, *event) → (B, classes) logits."""

DATA = "data"
"""The condition that the model's own discriminator classifies a sample as data."""

LATENT_STEP = 0.1
"""Longest time per step of a refinement of codes; that of Ansari et al. (2021)."""

CALIBRATION, AT_A_TIME = 1024, 64
"""Number of samples that fix the constant of a discriminator, and number drawn together."""

CALIBRATION_FIRST = 2**63
"""Index of the first of them, far beyond the indices of other samples."""

DATA_STEP = 0.01
"""Longest time per step of a refinement in data space, in variances of the data."""


def refined(model: GenerativeModel, options: RefinedSampling, seed: int, label: int | None) -> Draw:
    """Return a function that draws examples and moves them, or their codes, along the discriminator's gradient.

    Args:
        model: in evaluation mode.
        options: with a divergence.
        seed: of the samples that fix the constant of the discriminator.
        label: class of these samples; None: any.

    Raises:
        ValueError: the model has no suitable discriminator, or its codes are bounded.
    """
    assert options.refine is not None
    divergence, n_steps, space = options.refine, options.refine_steps, model.space
    judge = discriminating(model)
    continuous = space.kind == "vector" and space.levels is None
    in_data = options.refine_in == "data" or (options.refine_in == "auto" and continuous)
    latent = None if in_data else latent_of(model)
    if latent is not None and latent.prior_kind == "uniform":
        raise ValueError(
            "refinement moves codes anywhere, and this model's are uniform on [-1, 1]; choose refine_in 'data'."
        )
    sampler = sampler_of(model)
    # KL alone does not depend on the constant.
    constant = 0.0 if divergence == "kl" else calibration(model, seed, label, type(options).labels)

    def start(noise: Noise, c: Tensor | None) -> Tensor:
        return sampler.sample(noise.n, c, noise=noise) if latent is None else latent.prior(noise.n, noise)

    def log_ratio(c: Tensor | None) -> Logits:
        return lambda x: judge.logits(x, c) - constant

    step = DATA_STEP * space.std**2 if latent is None else LATENT_STEP
    if continuous:  # for images the search takes longer than refining thousands
        noise = SampleNoise(seed, CALIBRATION_FIRST, CALIBRATION, model.device)
        c = labels_for(model, noise, label, type(options).labels)
        landscape = log_ratio(c) if latent is None else pulled_back(log_ratio(c), decoder(latent, c))
        step = step_to_the_data(landscape, start(noise, c), divergence=divergence, step=step, n_steps=n_steps)

    def draw(noise: Noise, c: Tensor | None) -> Tensor:
        flow: dict[str, Any] = {"divergence": divergence, "step": step, "n_steps": n_steps, "noise": noise}
        if latent is None:
            x = refine(log_ratio(c), start(noise, c), **flow)
            return x if space.support is None else x.clamp(*space.support)
        decode = decoder(latent, c)
        return decode(refine_codes(log_ratio(c), decode, start(noise, c), **flow))

    return draw


def conditioned(model: GenerativeModel, options: ConditionedSampling, classifier: Classifier | None) -> Draw:
    """Return a function that draws codes under a condition, by chains that start at the prior, and decodes them.

    Args:
        model: in evaluation mode.
        options: with a condition.
        classifier: the conditions 0, 1, 2, ... are its classes.

    Raises:
        ValueError: the model has no code, or one of another distribution, or there is neither classifier nor
            discriminator.
    """
    latent, prior, log_condition = latent_of(model), simple_prior(model), condition_of(model, options, classifier)

    def draw(noise: Noise, c: Tensor | None) -> Tensor:
        decode, z = decoder(latent, c), latent.prior(noise.n, noise)
        drawn = plug_and_play(
            decode,
            log_condition(c),
            z,
            prior=prior,
            n_steps=options.condition_steps,
            temperatures=options.condition_temperatures,
            noise=noise,
        )
        return decode(drawn.z)

    return draw


def condition_of(
    model: GenerativeModel, options: ConditionedSampling, classifier: Classifier | None
) -> Callable[[Tensor | None], LogDensity]:
    """Return the condition, given the labels of the examples: log p(y | x) in nats, up to a constant.

    Raises:
        ValueError: there is neither a classifier nor a discriminator.
    """
    assert options.condition is not None
    if options.condition == DATA:
        judge = discriminating(model)
        return lambda c: lambda x: judge.logits(x, c)
    log_class = log_label(required(classifier, options.condition), int(options.condition))
    return lambda c: log_class


@torch.no_grad()
def calibration(model: GenerativeModel, seed: int, label: int | None, labels: bool) -> Tensor:
    """Return () the constant to be subtracted from the logits, estimated from samples of the model.

    Args:
        model: discriminates and samples.
        seed: of the noise.
        label: of all samples; None: see `labels`.
        labels: draw labels uniformly if the model has classes.
    """
    judge, sampler, values = discriminating(model), sampler_of(model), []
    for first in range(CALIBRATION_FIRST, CALIBRATION_FIRST + CALIBRATION, AT_A_TIME):
        noise = SampleNoise(seed, first, AT_A_TIME, model.device)
        c = labels_for(model, noise, label, labels)
        values.append(judge.logits(sampler.sample(noise.n, c, noise=noise), c))
    return log_constant(torch.cat(values))


def labels_for(model: GenerativeModel, noise: Noise, label: int | None, draw: bool) -> Tensor | None:
    """Return (n,) labels: all equal, or drawn uniformly from the noise, or None if there shall be none.

    Args:
        model: whose classes are used.
        noise: one row per label.
        label: that of all; None: see `draw`.
        draw: draw labels uniformly if the data have classes and the model was not built without; a model that
            learned p(x | c) alone always gets them.
    """
    if label is not None:
        return torch.full((noise.n,), label, device=noise.device)
    classes = model.classes if isinstance(model, Conditional) else model.space.classes
    needed = isinstance(model, Conditional) and model.needs_class
    return noise.integers(classes) if classes and (draw or needed) else None


def decoder(latent: LatentVariable, c: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return the map from codes to examples of these labels."""
    return lambda z: latent.decode(z, c)


def sampler_of(model: GenerativeModel) -> Sampler:
    """Return the model as a `Sampler`.

    Raises:
        ValueError: it cannot.
    """
    if not isinstance(model, Sampler):
        raise ValueError(f"{type(model).__name__} cannot be sampled.")
    return model


def latent_of(model: GenerativeModel) -> LatentVariable:
    """Return the model as a `LatentVariable`.

    Raises:
        ValueError: it has none.
    """
    if not isinstance(model, LatentVariable):
        raise ValueError(f"{type(model).__name__} has no latent code to refine or condition.")
    return model


def discriminating(model: GenerativeModel) -> Discriminating:
    """Return the model as a `Discriminating` one whose logits estimate log p/q, in nats, up to a constant.

    Raises:
        ValueError: it has no discriminator, or one that estimates something else.
    """
    if not isinstance(model, Discriminating):
        raise ValueError(f"{type(model).__name__} has no discriminator, so refinement has no gradient to use.")
    if model.no_log_ratio is not None:
        raise ValueError(model.no_log_ratio)
    return model


def simple_prior(model: GenerativeModel) -> Prior:
    """Return the distribution of the codes.

    Raises:
        ValueError: it is neither standard normal nor uniform.
    """
    kind = latent_of(model).prior_kind
    if kind == "other":
        raise ValueError(
            f"{type(model).__name__} has codes of several distributions; a condition needs standard normal codes, or "
            "uniform ones."
        )
    return kind


def required(classifier: Classifier | None, condition: str) -> Classifier:
    """Return the classifier.

    Raises:
        ValueError: there is none.
    """
    if classifier is None:
        raise ValueError(
            f"condition is {condition!r}, the class of a classifier, and there is no classifier; pass "
            "classifier=LOGITS, from examples (B, *event) to logits (B, classes)."
        )
    return classifier
