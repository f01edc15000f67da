"""What measurements and logged terms are called on the page, and what a measurement means in one plain sentence.

Keys are the names in `evaluation.json` and `metrics.jsonl`, which the JSON twin keeps. A name that is not listed is
written with spaces for underscores, without an explanation.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Metric(NamedTuple):
    """A measurement in words."""

    title: str
    means: str = ""
    """What it is, which way is better, and what it cannot see."""


class Term(NamedTuple):
    """A logged term in words."""

    title: str
    unit: str = ""


METRICS = {
    "fid": Metric(
        "Fréchet distance (FID)",
        "Distance between the means and covariances of the features of samples and data; lower is better. It cannot "
        "see anything beyond mean and covariance. These features are not Inception's: do not compare this FID with "
        "published ones.",
    ),
    "kid": Metric(
        "kernel distance (KID)",
        "Distance between the distributions of features by a polynomial kernel, unbiased, so that it can be slightly "
        "negative; lower is better. It says little about rare kinds of examples. Do not compare it with published "
        "ones, which use Inception's features.",
    ),
    "precision": Metric(
        "precision",
        "Share of samples that lie among the real examples; higher is better. It cannot see kinds of examples that "
        "are missing.",
    ),
    "recall": Metric(
        "recall",
        "Share of real examples that lie among the samples; higher is better. A few outlying samples can raise it.",
    ),
    "density": Metric(
        "density",
        "How densely real examples surround a sample, 1 for a perfect model; higher is better. Samples that keep to "
        "the commonest kinds of examples raise it, even above 1.",
    ),
    "coverage": Metric(
        "manifold coverage",
        "Share of real examples with a sample among their nearest neighbours; higher is better. It cannot see how "
        "good the other samples are.",
    ),
    "memorised": Metric(
        "excess of samples close to training examples",
        "Share of samples that lie as close to a training example as hardly any held-out example does, less the share "
        "expected of a perfect model; lower is better, and below zero is no fault. Blurred samples raise it too.",
    ),
    "copied": Metric(
        "excess of copies of training examples",
        "Share of samples much closer to one training example than to the next, less the share expected of a perfect "
        "model; lower is better. It cannot see copies that were shifted or recoloured.",
    ),
    "nats_train": Metric(
        "log-likelihood of training examples",
        "Mean log probability density per example (a lower bound where the model has no exact one); higher is better. "
        "It says little about how samples look.",
    ),
    "nats_test": Metric(
        "log-likelihood of held-out examples",
        "Mean log probability density per example (a lower bound where the model has no exact one); higher is better. "
        "It says little about how samples look.",
    ),
    "overfit_nats": Metric(
        "overfitting",
        "How much better training examples score than held-out ones; lower is better. A model that is equally bad on "
        "both scores 0.",
    ),
    "bits_per_dim": Metric(
        "bits per dimension",
        "Negative log-likelihood of held-out examples per number, in bits; lower is better. Compare it only on equal "
        "data with equal grey levels.",
    ),
    "modes": Metric(
        "mode coverage",
        "Number of known modes that samples reach; higher is better. One sample is enough for a mode: it cannot see "
        "how unevenly they are reached.",
    ),
    "high_quality": Metric(
        "samples at a mode",
        "Share of samples close to the centre of a mode; higher is better. It cannot see modes that are missing.",
    ),
    "mode_kl": Metric(
        "imbalance of the modes",
        "KL divergence of the samples' shares of the modes from the true ones; lower is better. It cannot see what "
        "samples look like within a mode.",
    ),
    "mode_width": Metric(
        "width of the modes",
        "Width of the samples around the centres, 1 where it is that of the data; nearer to 1 is better. It cannot see "
        "modes that are missing.",
    ),
    "kl_forward": Metric(
        "KL(data ‖ model)",
        "Nats lost by describing the data with the model; lower is better, 0 is perfect. It punishes what the model "
        "misses, and hardly what it adds.",
    ),
    "kl_reverse": Metric(
        "KL(model ‖ data)",
        "Nats lost by describing samples with the true distribution; lower is better, 0 is perfect. It punishes wrong "
        "samples, and hardly what the model misses.",
    ),
    "cross_entropy": Metric(
        "cross-entropy of samples",
        "Mean negative log probability of samples under the true distribution. Values near its entropy are right; it "
        "cannot see what the model misses.",
    ),
    "class_match": Metric(
        "class as asked for",
        "Share of samples that a classifier puts into the class asked for; higher is better. It cannot see how varied "
        "the samples of a class are.",
    ),
    "matched_classes": Metric(
        "class read from the codes",
        "Share of held-out examples whose category, as the model reads it, is the one that matches their class under "
        "the best assignment; higher is better. Unrelated categories score above zero.",
    ),
    "of_the_law": Metric(
        "samples of the right kind",
        "Share of samples that are examples of the true distribution as far as their factors tell; higher is better. "
        "It cannot see which of them are missing.",
    ),
    "class_accuracy": Metric(
        "accuracy of the model's classifier",
        "Share of held-out examples classified correctly; higher is better. It says nothing about the samples.",
    ),
    "js_discriminator": Metric(
        "Jensen–Shannon divergence by the discriminator",
        "Lower bound of how well the run's own discriminator distinguishes samples from data; lower is better. A weak "
        "discriminator cannot see a difference.",
    ),
    "active_units": Metric("active latent dimensions", "Latent dimensions that depend on the example."),
    "prior_gap": Metric(
        "gap between codes and prior",
        "How far the codes of real examples are from the prior that samples start from; lower is better.",
    ),
    "reconstruction_error": Metric(
        "reconstruction error",
        "Mean squared error of held-out examples that are encoded and decoded, 1 for the mean of the data; lower is "
        "better. It says nothing about samples from the prior.",
    ),
    "denoising_error": Metric(
        "denoising error",
        "Mean squared error of held-out examples that were noised and denoised; lower is better. It does not see how "
        "samples look.",
    ),
    "denoising_excess": Metric(
        "denoising error beyond the best",
        "Error beyond that of the best possible denoiser; lower is better, 0 is perfect.",
    ),
}

PREFIXES = {
    "recovered_": Metric(
        "recovered factor",
        "How well one code predicts this factor of the data; higher is better. It cannot see whether other codes "
        "depend on the factor as well.",
    ),
    "factor_": Metric(
        "distribution of a factor",
        "Largest difference between the distribution functions of this factor in samples and in the true distribution; "
        "lower is better. It cannot see how factors go together.",
    ),
}
"""Measurements of which there is one per factor."""

TERMS = {
    "loss": Term("loss"),
    "logit_real": Term("logit of real examples", "mean"),
    "logit_fake": Term("logit of samples", "mean"),
    "accuracy": Term("accuracy", "share of right decisions"),
    "js": Term("Jensen–Shannon divergence, lower bound", "nats"),
    "diversity": Term("spread of samples", "distance of two samples / of two examples"),
    "crowding": Term("crowding", "close pairs of samples / of examples"),
    "coverage": Term("manifold coverage of a batch", "share of examples with a sample nearby"),
    "energy": Term("energy distance", "relative to the mean distance of examples"),
    "sigma_max": Term("largest singular value", "over all layers"),
    "grad_norm": Term("gradient norm"),
    "lr": Term("learning rate"),
    "reconstruction": Term("reconstruction loss", "nats per example"),
    "kl": Term("KL divergence of codes from the prior", "nats per example"),
    "active_units": Term("active latent dimensions", "count"),
    "sigma": Term("standard deviation of the decoder", "units of the data"),
    "penalty_r1": Term("R1 penalty"),
    "penalty_r2": Term("R2 penalty"),
    "penalty_gp": Term("gradient penalty"),
    "penalty_history": Term("historical averaging penalty"),
    "penalty_orthogonal": Term("orthogonality penalty"),
    "class_real": Term("class loss on real examples", "nats"),
    "class_fake": Term("class loss on samples", "nats"),
    "class_loss": Term("class loss", "nats"),
    "class_accuracy": Term("class accuracy", "share"),
    "information": Term("information about the codes", "nats"),
    "temperature": Term("Gumbel-softmax temperature"),
    "inconsistency": Term("change of coarse images between stages", "mean squared error"),
    "feature_norm": Term("norm of the features"),
    "cross_entropy": Term("cross-entropy of the noise levels", "nats"),
    "denoising": Term("denoising loss", "1: nothing learned"),
    "level_error": Term("error of the noise level", "root mean square, log sigma"),
    "growth": Term("growth", "stages"),
    "unrolled_gain": Term("gain by unrolling", "discriminator loss"),
}


def metric_words(name: str) -> Metric:
    """Return what a measurement is called and means.

    Examples:
        >>> metric_words("coverage").title, metric_words("hq_share").title
        ('manifold coverage', 'hq share')
        >>> metric_words("recovered_hue").title
        'recovered factor: hue'
    """
    if name in METRICS:
        return METRICS[name]
    for prefix, words in PREFIXES.items():
        if name.startswith(prefix):
            return words._replace(title=f"{words.title}: {spaced(name.removeprefix(prefix))}")
    return Metric(spaced(name))


def term_words(name: str) -> Term:
    """Return what a term is called on its curve, and its unit.

    Examples:
        >>> term_words("js")
        Term(title='Jensen–Shannon divergence, lower bound', unit='nats')
        >>> term_words("penalty_dragan").title, term_words("information_digit").unit
        ('dragan penalty', 'nats')
    """
    if name in TERMS:
        return TERMS[name]
    if penalty := re.fullmatch(r"penalty_(.+)", name):
        return Term(f"{spaced(penalty[1])} penalty")
    if part := re.fullmatch(r"information_(.+)", name):
        return Term(f"information about {spaced(part[1])}", "nats")
    return Term(spaced(name))


def spaced(name: str) -> str:
    """Write a name with spaces."""
    return name.replace("_", " ").strip() or name
