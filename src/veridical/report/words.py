"""Titles of measurements and logged terms on the page, and explanations of the measurements.

Keys are the names in `evaluation.json`, `metrics.jsonl` and `report.json`. A name that is not listed is shown with
spaces instead of underscores, without an explanation.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Metric(NamedTuple):
    """Title and explanation of a measurement."""

    title: str
    means: str = ""
    """Definition, the better direction, and what the measurement does not detect."""


class Term(NamedTuple):
    """Title and unit of a logged term."""

    title: str
    unit: str = ""


METRICS = {
    "fid": Metric(
        "Fréchet distance (FID)",
        "Distance between the means and covariances of the features of samples and data; lower is better. It does not "
        "depend on anything beyond mean and covariance. These features are not Inception's: do not compare this FID "
        "with published values.",
    ),
    "kid": Metric(
        "kernel distance (KID)",
        "Distance between the distributions of features by a polynomial kernel, unbiased, so that it can be slightly "
        "negative; lower is better. It hardly depends on rare kinds of examples. Do not compare it with published "
        "values, which use Inception's features.",
    ),
    "precision": Metric(
        "precision",
        "Share of samples in the region of the real examples; higher is better. It does not detect missing kinds of "
        "examples.",
    ),
    "recall": Metric(
        "recall",
        "Share of real examples in the region of the samples; higher is better. A few outliers can raise it.",
    ),
    "density": Metric(
        "density",
        "Density of real examples around the samples, 1 for a perfect model; higher is better. Samples of only the "
        "most common kinds raise it, even above 1.",
    ),
    "coverage": Metric(
        "manifold coverage",
        "Share of real examples with a sample among their nearest neighbours; higher is better. It does not depend on "
        "the quality of the other samples.",
    ),
    "clipped_density": Metric(
        "share of samples as good as data",
        "Clipped density: share of samples among real examples, outliers left out, 1 for a perfect model; higher is "
        "better. It does not detect missing kinds of examples.",
    ),
    "clipped_coverage": Metric(
        "share of samples that cover the data",
        "Clipped coverage: share of good samples that would cover the data as evenly, 1 for a perfect model; higher is "
        "better. It hardly depends on how bad the other samples are.",
    ),
    "class_shares": Metric(
        "shares of the classes",
        "Total variation distance between the shares of the classes in samples and in real examples; lower is better, "
        "but never 0. It does not depend on the quality of the samples.",
    ),
    "cell_shares": Metric(
        "shares of groups of similar examples",
        "Total variation distance between the shares of groups of similar examples in samples and in data; lower is "
        "better, but never 0. It does not depend on differences within a group.",
    ),
    "c2st": Metric(
        "accuracy of a classifier of samples and data",
        "Accuracy of a classifier of samples and real examples that it has not seen before; 0.5 is a perfect model; "
        "lower is better. It does not tell what the difference is.",
    ),
    "nearest_neighbour": Metric(
        "nearest neighbour of the same kind",
        "Share of samples and real examples whose nearest neighbour is of their kind, 0.5 for a perfect model; lower "
        "is better, but below 0.5 samples are copies. It hardly depends on the proportions of the kinds.",
    ),
    "ndb": Metric(
        "statistically different bins",
        "Share of groups of similar examples whose proportion differs significantly from that of the data; lower is "
        "better, 0.05 for a perfect model. It does not depend on differences within a group.",
    ),
    "cell_js": Metric(
        "Jensen–Shannon divergence of groups",
        "Divergence between the shares of groups of similar examples in samples and data, in nats; lower is better, "
        "but never 0. It does not depend on differences within a group.",
    ),
    "mmd": Metric(
        "kernel distance (MMD)",
        "Distance between the distributions of features by Gaussian kernels, unbiased, so that it can be slightly "
        "negative; lower is better. It hardly depends on rare kinds of examples.",
    ),
    "vendi": Metric(
        "effective number of examples (Vendi)",
        "Number of entirely different examples that would be as diverse as the samples; closer to that of real "
        "examples is better. It does not detect whether samples look like data.",
    ),
    "birthday_support": Metric(
        "number of different examples (birthday paradox)",
        "Number of equally probable examples that would repeat as often as the samples do; closer to that of "
        "real examples is better. It does not detect whether samples look like data.",
    ),
    "inception_score": Metric(
        "Inception score",
        "How certain a classifier is of the samples, and how evenly they use the classes, at most the number of "
        "classes; higher is better. It does not depend on the variety within a class.",
    ),
    "authenticity": Metric(
        "authenticity",
        "Share of samples that are farther from their nearest training example than that one is from others; "
        "closer to that of real examples is better. It does not detect bad samples, which are authentic too.",
    ),
    "energy_per_site": Metric(
        "energy per site",
        "Mean energy of the spins per site, in units of J; any difference from the expectation is a fault. It does not "
        "depend on anything beyond neighbouring spins.",
    ),
    "energy_spread": Metric(
        "variance of the energy",
        "Variance of the energy per site times the number of sites; any difference from the expectation is a fault, "
        "for example a mixture of temperatures. It does not depend on the mean energy.",
    ),
    "magnetization": Metric(
        "magnetization",
        "Mean spin; 0 without a field, for a perfect model. Another value means that one sign is preferred.",
    ),
    "magnetization_squared": Metric(
        "squared magnetization",
        "Mean square of the mean spin; any difference from the expectation is a fault. It does not depend on the sign.",
    ),
    "correlation_half": Metric(
        "correlation over half the lattice",
        "Mean product of two spins half a lattice apart; any difference from the expectation is a fault. It does not "
        "depend on short distances.",
    ),
    "memorised": Metric(
        "excess of samples close to training examples",
        "Share of samples that are closer to a training example than nearly all held-out examples are, minus the share "
        "expected for a perfect model; lower is better, and negative values are fine. Blurred samples raise it too.",
    ),
    "copied": Metric(
        "excess of copies of training examples",
        "Share of samples much closer to one training example than to the next, minus the share expected for a perfect "
        "model; lower is better. It does not detect copies that were shifted or recoloured.",
    ),
    "nats_train": Metric(
        "log-likelihood of training examples",
        "Mean log probability density per example (a lower bound if the model has no exact density); higher is "
        "better. It hardly depends on the appearance of samples.",
    ),
    "nats_test": Metric(
        "log-likelihood of held-out examples",
        "Mean log probability density per example (a lower bound if the model has no exact density); higher is "
        "better. It hardly depends on the appearance of samples.",
    ),
    "nats_reverse": Metric(
        "log-likelihood of annealed chains, from below",
        "Lower bound of the mean log probability density of up to 100 held-out examples under the chains that anneal "
        "towards the model, which approach it as temperatures are added; not a bound of the model's own; higher is "
        "better. Too few temperatures usually lower it and raise nats_test; where the two are near, both are "
        "likely right.",
    ),
    "annealed_nats": Metric(
        "log-likelihood by annealing",
        "Mean log probability density of held-out examples under the decoder and its noise; a lower bound; higher is "
        "better. It depends on the scale of the noise, which is stated.",
    ),
    "annealing_gap": Metric(
        "gap left by annealing",
        "Upper minus lower bound of the log-likelihood on examples drawn from the model; lower is better, near "
        "0 if both are tight. It does not depend on how good the model is.",
    ),
    "overfit_nats": Metric(
        "overfitting",
        "Difference between the log-likelihoods of training and held-out examples; lower is better. It is 0 for a "
        "model that is equally bad on both.",
    ),
    "bits_per_dim": Metric(
        "bits per dimension",
        "Negative log-likelihood of held-out examples per component, in bits; lower is better. Compare it only for the "
        "same data with the same number of levels.",
    ),
    "modes": Metric(
        "mode coverage",
        "Number of known modes with at least one sample; higher is better. It does not depend on how evenly they "
        "are distributed over the modes.",
    ),
    "high_quality": Metric(
        "samples at a mode",
        "Share of samples close to the centre of a mode; higher is better. It does not detect missing modes.",
    ),
    "mode_kl": Metric(
        "imbalance of the modes",
        "KL divergence of the shares of samples in the modes from the true shares; lower is better. It does not depend "
        "on the distribution within a mode.",
    ),
    "mode_width": Metric(
        "width of the modes",
        "Width of the samples around the centres of the modes, 1 if it equals that of the data; closer to 1 is better. "
        "It does not detect missing modes.",
    ),
    "kl_forward": Metric(
        "KL(data ‖ model)",
        "KL divergence of the data distribution from the model, in nats; lower is better, 0 is perfect. It is large if "
        "the model misses data, and hardly depends on additional wrong samples.",
    ),
    "kl_reverse": Metric(
        "KL(model ‖ data)",
        "KL divergence of the model from the true distribution, in nats; lower is better, 0 is perfect. It is large "
        "for wrong samples, and hardly depends on data that the model misses.",
    ),
    "effective_share": Metric(
        "effective share of weighted samples",
        "Share of independent draws of the true distribution that the samples are worth when weighted by p/q, 1 for a "
        "perfect model; higher is better. It does not detect missing modes.",
    ),
    "log_partition": Metric(
        "log Z from weighted samples",
        "Logarithm of the mean weight of the samples, an estimate of log Z; the exact log Z for a perfect model. A low "
        "value shows modes that the model never draws.",
    ),
    "cross_entropy": Metric(
        "cross-entropy of samples",
        "Mean negative log probability of samples under the true distribution; it equals the entropy of that "
        "distribution for a perfect model. It does not detect missing modes.",
    ),
    "class_match": Metric(
        "samples of the requested class",
        "Share of samples that a classifier assigns to the requested class; higher is better. It does not measure the "
        "diversity within a class.",
    ),
    "matched_classes": Metric(
        "class predicted by the codes",
        "Share of held-out examples whose predicted category matches their class under the best assignment; higher is "
        "better. Unrelated categories also give a value above zero.",
    ),
    "of_the_law": Metric(
        "samples of the right kind",
        "Share of samples that are possible under the true distribution, judged by their factors; higher is better. "
        "It does not detect missing kinds of examples.",
    ),
    "class_accuracy": Metric(
        "accuracy of the model's classifier",
        "Share of held-out examples classified correctly; higher is better. It does not depend on the samples.",
    ),
    "js_discriminator": Metric(
        "Jensen–Shannon divergence by the discriminator",
        "Lower bound of the divergence between samples and data, from the run's own discriminator; lower is better. A "
        "weak discriminator gives a low value even if they differ.",
    ),
    "active_units": Metric("active latent dimensions", "Latent dimensions that depend on the example."),
    "prior_gap": Metric(
        "gap between codes and prior",
        "Difference between the codes of real examples and the prior from which samples are drawn; lower is better.",
    ),
    "inverse_error": Metric(
        "error of the inverse",
        "Mean distance of an example from the inverse of its code, in standard deviations of the data; lower is "
        "better. If it is not small, likelihood and samples belong to different models. It hardly depends on how "
        "good the model is.",
    ),
    "solver_error": Metric(
        "error of the solver",
        "Mean difference that is expected between the likelihood of the solver and that of its equation, in nats; "
        "lower is better. If it is not small, take more steps for the likelihood.",
    ),
    "reconstruction_error": Metric(
        "reconstruction error",
        "Mean squared error of held-out examples after encoding and decoding; it is 1 if every reconstruction is the "
        "mean of the data. Lower is better. It does not depend on samples from the prior.",
    ),
    "restored": Metric(
        "training examples restored",
        "Share of training examples that the model restores with a peak signal-to-noise ratio of at least 35 dB; "
        "higher is better. It does not depend on the samples.",
    ),
    "restored_psnr": Metric(
        "accuracy of restored examples",
        "Median peak signal-to-noise ratio of restored training examples; higher is better. It does not show the "
        "worst.",
    ),
    "restored_worst": Metric(
        "accuracy of the worst restored example",
        "Smallest peak signal-to-noise ratio of a restored training example; higher is better.",
    ),
    "restored_detail": Metric(
        "detail of restored examples",
        "Share of the finest detail of training images that their restored images keep; closer to 1 is better, below 1 "
        "they are blurred. Noise does not raise it.",
    ),
    "code_dimension": Metric(
        "dimensions that codes fill",
        "Eigenvalues of the covariance of the codes above a hundredth of the largest. Where the encoder has extra "
        "linear layers, they estimate the dimension of the data; otherwise they may depend on chance.",
    ),
    "denoising_error": Metric(
        "denoising error",
        "Mean squared error of held-out examples after adding noise and denoising; lower is better. It does not depend "
        "on the samples.",
    ),
    "denoising_excess": Metric(
        "denoising error beyond the best",
        "Error beyond that of the best possible denoiser; lower is better, 0 is perfect.",
    ),
}

PREFIXES = {
    "recovered_": Metric(
        "recovered factor",
        "How well one code predicts this factor of the data; higher is better. It does not detect whether other codes "
        "also depend on the factor.",
    ),
    "factor_": Metric(
        "distribution of a factor",
        "Largest difference between the distribution functions of this factor in samples and in the true distribution; "
        "lower is better. It does not depend on the correlation between factors.",
    ),
}
"""Measurements of which there is one per factor."""

TERMS = {
    "loss": Term("loss"),
    "logit_real": Term("logit of real examples", "mean"),
    "logit_fake": Term("logit of samples", "mean"),
    "accuracy": Term("accuracy", "share of correct decisions"),
    "js": Term("Jensen–Shannon divergence, lower bound", "nats"),
    "diversity": Term("diversity of samples", "distance of two samples / of two examples"),
    "crowding": Term("crowding", "close pairs of samples / of examples"),
    "coverage": Term("manifold coverage of a batch", "share of examples with a sample nearby"),
    "energy": Term("energy distance", "relative to the mean distance of examples"),
    "free_energy": Term("free energy of the data", "nats, up to a constant"),
    "exchanged": Term("exchanges of neighbouring temperatures", "smallest mean probability"),
    "log_z": Term("log Z by chains annealed along training", "nats"),
    "tracked_effective": Term("chains that count in this log Z", "of all"),
    "variational_free_energy": Term("mean-field bound of the free energy of the data", "nats, up to a constant"),
    "mean_field_change": Term("change of means in the last mean-field update", "largest of the batch"),
    "sigma_max": Term("largest singular value", "over all layers"),
    "grad_norm": Term("gradient norm"),
    "lr": Term("learning rate"),
    "nats": Term("negative log-likelihood or its bound", "nats per example"),
    "reverse_kl": Term("KL(model ‖ data)", "nats; of an energy up to log Z"),
    "effective_share": Term("effective share of weighted samples", "share"),
    "beta": Term("inverse temperature"),
    "inverse_error": Term("error of the inverse", "standard deviations of the data"),
    "loss_low": Term("loss at little noise", "variances of the target"),
    "loss_high": Term("loss at much noise", "variances of the target"),
    "length": Term("squared length of the lines from noise to data", "per component"),
    "update": Term("size of a step", "relative to the weights"),
    "reconstruction": Term("reconstruction loss", "nats per example"),
    "error": Term("error of reconstructions", "variances of the data"),
    "psnr": Term("peak signal to noise of reconstructions", "dB"),
    "perceptual": Term("distance of features of reconstructions"),
    "code_norm": Term("norm of the codes", "mean"),
    "kl": Term("KL divergence of codes from the prior", "nats per example"),
    "kl_upper": Term("KL divergence of the upper codes from the prior", "nats per example"),
    "kl_lower": Term("KL divergence of the lower codes from their prior, given the upper ones", "nats per example"),
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
    "inner_denoising": Term("denoising loss of the denoiser in the energy", "1: nothing learned"),
    "level_error": Term("error of the noise level", "root mean square, log sigma"),
    "growth": Term("growth", "stages"),
    "unrolled_gain": Term("gain by unrolling", "discriminator loss"),
    "logit_train": Term("logit of training examples", "mean"),
    "logit_held_out": Term("logit of held-out examples", "mean"),
    "nats_train": Term("negative log-likelihood of training examples", "nats per example"),
    "nats_held_out": Term("negative log-likelihood of held-out examples", "nats per example"),
    "nats_error": Term("standard error of held-out minus training", "nats per example"),
    "excess": Term("excess over the entropy", "nats per example; never negative on average"),
    "excess_error": Term("standard error of the excess", "nats per example"),
    "average_excess": Term("averaged minus latest weights", "nats per example; above 0 the average is worse"),
    "average_error": Term("standard error of averaged minus latest weights", "nats per example"),
    "energy_live": Term("energy distance, latest weights", "relative to the mean distance of examples"),
    "energy_average": Term("energy distance, averaged weights", "relative to the mean distance of examples"),
}


def metric_words(name: str) -> Metric:
    """Return title and explanation of a measurement.

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
    """Return title and unit of a logged term.

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
    """Replace underscores in a name by spaces."""
    return name.replace("_", " ").strip() or name
