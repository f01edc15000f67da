"""Every objective, penalty and bound has a known answer that turns red when a line of it is wrong.

The list names the wrong line and the test that notices it: a sign, a factor, a constant, an index, half a cell.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from tests.mutants import plant
from tests.objectives import (
    test_adversarial,
    test_bounds,
    test_diagnostics,
    test_discrete,
    test_f_divergences,
    test_game,
    test_information,
    test_likelihoods,
    test_penalties,
    test_unrolling,
)

from veridical.objectives import (
    adversarial,
    bounds,
    diagnostics,
    discrete,
    f_divergences,
    game,
    information,
    likelihoods,
    penalties,
    unrolling,
)

Check = Callable[[Any], None]
"""A test, given the namespace of the module with the mistake."""


def of(test: Callable[..., None], *arguments: Any) -> Check:
    """Return a check that is a test with these arguments."""
    return lambda _: test(*arguments)


def divergence(test: Callable[..., None], name: str) -> Check:
    """Return a check that is a test of one of the f-divergences."""
    return lambda module: test(module.F_DIVERGENCES[name])


class Mutant(NamedTuple):
    """A wrong line, and the test that notices it."""

    module: ModuleType
    before: str
    after: str
    check: Check


KL = of(test_bounds.test_gaussian_kl_is_that_of_torch)
WEIGHTS = of(test_bounds.test_every_weight_is_the_evidence_under_the_exact_posterior, 6)
FREE = of(test_bounds.test_free_bits_are_of_the_mean_over_the_batch)
BOUNDS: dict[str, Mutant] = {
    "kl: a sign": Mutant(bounds, "torch.expm1(log_var) - log_var).sum", "torch.expm1(log_var) + log_var).sum", KL),
    "kl: the factor one half": Mutant(bounds, "return 0.5 * (mu.square()", "return (mu.square()", KL),
    "kl: the one": Mutant(bounds, "torch.expm1(log_var) - log_var", "torch.exp(log_var) - log_var", KL),
    "kl: the mean over units": Mutant(bounds, "- log_var).sum(-1)", "- log_var).mean(-1)", KL),
    "kl: digits near the prior": Mutant(
        bounds,
        "torch.expm1(log_var) - log_var",
        "torch.exp(log_var) - 1 - log_var",
        of(test_bounds.test_gaussian_kl_keeps_its_digits_near_the_prior),
    ),
    "elbo: the sign": Mutant(
        bounds,
        "log_likelihood - kl_weight * kl",
        "log_likelihood + kl_weight * kl",
        of(test_bounds.test_elbo_subtracts_the_weighted_divergence),
    ),
    "elbo: the weight is not used": Mutant(
        bounds,
        "log_likelihood - kl_weight * kl",
        "log_likelihood - kl",
        of(test_bounds.test_elbo_subtracts_the_weighted_divergence),
    ),
    "iwae: the sum for the mean": Mutant(bounds, " - math.log(log_w.shape[-1])", "", WEIGHTS),
    "iwae: one weight too many": Mutant(bounds, "math.log(log_w.shape[-1])", "math.log(log_w.shape[-1] + 1)", WEIGHTS),
    "iwae: the mean over examples": Mutant(
        bounds, "torch.logsumexp(log_w, -1)", "torch.logsumexp(log_w, 0).sum() + 0 * log_w[..., 0]", WEIGHTS
    ),
    "iwae: the mean of logarithms": Mutant(
        bounds,
        "torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])",
        "log_w.mean(-1)",
        of(test_bounds.test_the_gradient_of_the_iwae_bound_is_the_weighted_one),
    ),
    "iwae: weights of one scale": Mutant(
        bounds,
        "torch.logsumexp(log_w, -1)",
        "log_w.exp().sum(-1).log()",
        of(test_bounds.test_iwae_bound_is_that_of_any_scale),
    ),
    "free bits: the maximum before the mean": Mutant(
        bounds, "(free + F.relu(kl.mean(0) - free)).sum()", "kl.clamp(min=free).mean(0).sum()", FREE
    ),
    "free bits: of all groups together": Mutant(
        bounds, "(free + F.relu(kl.mean(0) - free)).sum()", "kl.mean(0).sum().clamp(min=free)", FREE
    ),
    "free bits: the other side": Mutant(bounds, "F.relu(kl.mean(0) - free)", "-F.relu(free - kl.mean(0))", FREE),
    "active units: the standard deviation": Mutant(
        bounds,
        "mu.var(0, correction=0)",
        "mu.std(0, correction=0)",
        of(test_bounds.test_active_units_counts_what_varies_with_x),
    ),
}

BERNOULLI = of(test_likelihoods.test_bernoulli_is_that_of_torch)
GAUSSIAN = of(test_likelihoods.test_gaussian_is_that_of_scipy)
BIN = of(test_likelihoods.test_dequantised_is_the_mean_over_the_bin)
LAPLACE = of(test_likelihoods.test_laplace_is_that_of_scipy)
WITHIN = of(test_likelihoods.test_dequantised_laplace_is_the_mean_over_the_bin, 0.31)
LIKELIHOODS: dict[str, Mutant] = {
    "bernoulli: the sign": Mutant(likelihoods, "(2 * x - 1) * logits", "(1 - 2 * x) * logits", BERNOULLI),
    "bernoulli: only the ones count": Mutant(
        likelihoods, "(2 * x - 1) * logits", "x * logits", of(test_likelihoods.test_bernoulli_sums_to_one)
    ),
    "bernoulli: the sigmoid twice": Mutant(
        likelihoods, "(2 * x - 1) * logits", "(2 * x - 1) * logits.sigmoid()", BERNOULLI
    ),
    "bernoulli: the mean over components": Mutant(
        likelihoods,
        "masked_fill(strange, math.nan).sum(-1)",
        "masked_fill(strange, math.nan).mean(-1)",
        of(test_likelihoods.test_bernoulli_sums_to_one),
    ),
    "gaussian: the standard deviation for the variance": Mutant(
        likelihoods,
        "(x - mu).square() * torch.exp(-log_var)",
        "(x - mu).square() * torch.exp(-0.5 * log_var)",
        GAUSSIAN,
    ),
    "gaussian: the factor one half": Mutant(likelihoods, "-0.5 * ((x - mu)", "-1.0 * ((x - mu)", GAUSSIAN),
    "gaussian: the constant": Mutant(
        likelihoods,
        "torch.exp(-log_var) + log_var + math.log(2 * math.pi)).sum(-1)\n\n\ndef dequantised_gaussian",
        "torch.exp(-log_var) + log_var).sum(-1)\n\n\ndef dequantised_gaussian",
        GAUSSIAN,
    ),
    "dequantised: half a cell": Mutant(likelihoods, "bin_width**2 / 12", "bin_width**2 / 48", BIN),
    "dequantised: the sign of the noise": Mutant(
        likelihoods, ".square() + bin_width**2 / 12", ".square() - bin_width**2 / 12", BIN
    ),
    "dequantised: no noise": Mutant(
        likelihoods,
        ".square() + bin_width**2 / 12",
        ".square()",
        of(test_likelihoods.test_dequantised_cannot_diverge),
    ),
    "laplace: the factor two": Mutant(likelihoods, "+ log_scale + math.log(2))", "+ log_scale)", LAPLACE),
    "laplace: the scale is not the unit": Mutant(likelihoods, "(error * torch.exp(-log_scale)", "(error", LAPLACE),
    "laplace: the error is squared": Mutant(
        likelihoods, "error = (x - mu).abs()", "error = (x - mu).square()", LAPLACE
    ),
    "laplace: half of the noise": Mutant(likelihoods, "/ bin_width + bin_width / 4", "/ bin_width", WITHIN),
    "laplace: the bin reaches too far": Mutant(
        likelihoods,
        "error < bin_width / 2",
        "error < bin_width",
        of(test_likelihoods.test_dequantised_laplace_is_the_mean_over_the_bin, 0.1),
    ),
}

R1 = of(test_penalties.test_r1_of_a_linear_discriminator_is_half_its_squared_slope)
LIPSCHITZ = of(test_penalties.test_gradient_penalty_of_a_critic_of_slope_one_is_zero_at_any_batch_size, 16)
BETWEEN = of(test_penalties.test_gradient_penalty_looks_between_each_pair)
DOUBT = of(test_penalties.test_the_analytic_noise_penalty_weighs_by_doubt)
PAST = of(test_penalties.test_historical_averaging_against_the_average_written_out)
PENALTIES: dict[str, Mutant] = {
    "r1: the factor one half": Mutant(
        penalties, "squared_slopes(logits, x).mean() / 2", "squared_slopes(logits, x).mean()", R1
    ),
    "r1: the sum over examples": Mutant(
        penalties, "squared_slopes(logits, x).mean() / 2", "squared_slopes(logits, x).sum() / 2", R1
    ),
    "r1: the mean over components": Mutant(
        penalties,
        "input_gradient(logits, x).flatten(1).square().sum(1)",
        "input_gradient(logits, x).flatten(1).square().mean(1)",
        of(test_penalties.test_r1_of_a_quadratic_discriminator),
    ),
    "r1: the norm, not its square": Mutant(
        penalties,
        "input_gradient(logits, x).flatten(1).square().sum(1)",
        "input_gradient(logits, x).flatten(1).square().sum(1).sqrt()",
        R1,
    ),
    "noise: weighed by certainty": Mutant(penalties, "torch.sigmoid(-logit_real)", "torch.sigmoid(logit_real)", DOUBT),
    "noise: weights not squared": Mutant(
        penalties, "torch.sigmoid(logit_fake).square()", "torch.sigmoid(logit_fake)", DOUBT
    ),
    "noise: the factor one half": Mutant(
        penalties, "(real.mean() + fake.mean()) / 2", "(real.mean() + fake.mean())", DOUBT
    ),
    "gradient penalty: zero-centred": Mutant(
        penalties,
        "(_slope(discriminator, _between(x, x_fake, eps)) - 1).square()",
        "(_slope(discriminator, _between(x, x_fake, eps))).square()",
        LIPSCHITZ,
    ),
    "gradient penalty: the norm of the batch": Mutant(
        penalties,
        "input_gradient(discriminator(x), x).flatten(1), dim=1)",
        "input_gradient(discriminator(x), x)).expand(len(x))",
        LIPSCHITZ,
    ),
    "gradient penalty: the ends are swapped": Mutant(
        penalties, "weight * x + (1 - weight) * x_fake", "(1 - weight) * x + weight * x_fake", BETWEEN
    ),
    "gradient penalty: one place for all": Mutant(
        penalties, "weight = eps.reshape(-1,", "weight = eps[:1].reshape(-1,", BETWEEN
    ),
    "one-sided: both sides": Mutant(
        penalties,
        ").relu().square().mean()",
        ").square().mean()",
        of(test_penalties.test_one_sided_penalty_of_any_1_lipschitz_critic_is_zero_at_any_batch_size, 16),
    ),
    "dragan: noise that is not centred": Mutant(
        penalties,
        "(u - 0.5)",
        "u",
        of(test_penalties.test_dragan_noise_is_centred_and_as_wide_as_half_the_standard_deviation),
    ),
    "dragan: at the data themselves": Mutant(
        penalties,
        "_slope(discriminator, x + noise)",
        "_slope(discriminator, x)",
        of(test_penalties.test_dragan_penalty_looks_at_the_noised_data_each_for_itself, 16),
    ),
    "history: the mean of squares": Mutant(
        penalties, "(theta - average.detach()).square().sum()", "(theta - average.detach()).square().mean()", PAST
    ),
    "history: one step too many": Mutant(
        penalties, "average.detach()) / count", "average.detach()) / (count + 1)", PAST
    ),
    "clipping: not in place": Mutant(
        penalties,
        "theta.clamp_(-limit, limit)",
        "theta.clamp(-limit, limit)",
        of(test_penalties.test_clipping_bounds_every_weight_in_place),
    ),
}

JS = of(test_adversarial.test_jensen_shannon_bound_is_tight_at_the_log_ratio_alone, 0.0, 1.0)
GRADIENT = test_adversarial.test_generator_gradient_in_the_logits
BEST = test_f_divergences.test_best_discriminator_measures_its_divergence
CONJUGATE = test_f_divergences.test_conjugate_pair
COST = test_f_divergences.test_cost_is_the_conjugate_of_the_output_and_zero_means_ignorance
ADVERSARIAL: dict[str, Mutant] = {
    "logistic: the sign of real logits": Mutant(
        adversarial, "F.softplus(-logit_real).mean() +", "F.softplus(logit_real).mean() +", JS
    ),
    "js: the factor one half": Mutant(
        adversarial,
        "math.log(2) - logistic_discriminator_loss(logit_real, logit_fake) / 2",
        "math.log(2) - logistic_discriminator_loss(logit_real, logit_fake)",
        JS,
    ),
    "js: the constant": Mutant(
        adversarial,
        "math.log(2) - logistic_discriminator_loss",
        "2 * math.log(2) - logistic_discriminator_loss",
        JS,
    ),
    "nonsaturating: the sign": Mutant(
        adversarial,
        "return F.softplus(-logit_fake).mean()",
        "return F.softplus(logit_fake).mean()",
        of(GRADIENT, "nonsaturating"),
    ),
    "minimax: the sign": Mutant(
        adversarial,
        "return -F.softplus(logit_fake).mean()",
        "return F.softplus(logit_fake).mean()",
        of(GRADIENT, "minimax"),
    ),
    "linear: the sum over examples": Mutant(
        adversarial, "return -logit_fake.mean()", "return -logit_fake.sum()", of(GRADIENT, "hinge")
    ),
    "hinge: the sign of fakes": Mutant(
        adversarial, "F.relu(1 + logit_fake)", "F.relu(1 - logit_fake)", of(BEST, "hinge")
    ),
    "hinge: no margin": Mutant(adversarial, "F.relu(1 - logit_real)", "F.relu(-logit_real)", of(BEST, "hinge")),
    "least squares: the aim of fakes": Mutant(
        adversarial, "(logit_fake - fake).square()", "(logit_fake - real).square()", of(BEST, "least-squares")
    ),
    "wasserstein: the sign": Mutant(
        adversarial,
        "return logit_fake.mean() - logit_real.mean()",
        "return logit_real.mean() - logit_fake.mean()",
        of(test_adversarial.test_best_critic_measures_the_wasserstein_distance),
    ),
    "maximum likelihood: the factor one half": Mutant(
        adversarial,
        "return -logit_fake.exp().mean() / 2",
        "return -logit_fake.exp().mean()",
        of(test_f_divergences.test_maximum_likelihood_generator_has_the_gradient_of_half_the_forward_kl),
    ),
    "smoothing: the sign": Mutant(
        adversarial,
        "+ smoothing * logit_real.mean()",
        "- smoothing * logit_real.mean()",
        of(test_f_divergences.test_smoothing_is_the_cross_entropy_with_soft_targets),
    ),
    "pairing: fakes alone": Mutant(
        adversarial,
        "return logit_real - logit_fake, logit_fake - logit_real",
        "return logit_real - logit_fake, logit_fake",
        of(test_adversarial.test_pairing_forgets_a_common_constant, "nonsaturating"),
    ),
    "kl: the conjugate without its shift": Mutant(
        f_divergences, "conjugate=lambda t: (t - 1).exp()", "conjugate=lambda t: t.exp()", divergence(CONJUGATE, "f-kl")
    ),
    "pearson: the factor one quarter": Mutant(
        f_divergences,
        "conjugate=lambda t: t.square() / 4 + t",
        "conjugate=lambda t: t.square() / 2 + t",
        divergence(CONJUGATE, "f-pearson"),
    ),
    "js: the constant of the output": Mutant(
        f_divergences,
        "output=lambda v: math.log(2) - F.softplus(-v)",
        "output=lambda v: -F.softplus(-v)",
        divergence(COST, "f-js"),
    ),
    "variational bound: the sign of fakes": Mutant(
        f_divergences,
        "divergence.output(logit_real).mean() - divergence.cost(logit_fake).mean()",
        "divergence.output(logit_real).mean() + divergence.cost(logit_fake).mean()",
        divergence(COST, "f-kl"),
    ),
}

UNBIASED = of(test_discrete.test_reinforce_with_the_leave_one_out_baseline_is_unbiased, 2)
READS = of(test_information.test_log_q_are_those_of_torch)
ADAM = of(test_unrolling.test_steps_of_adam_are_those_of_torch, 3)
OTHERS: dict[str, Mutant] = {
    "baseline: its own example": Mutant(
        discrete, "(cost.sum() - cost) / (len(cost) - 1)", "cost.mean().expand(len(cost))", UNBIASED
    ),
    "reinforce: the sign": Mutant(discrete, "* (log_q - log_q.detach())", "* (log_q.detach() - log_q)", UNBIASED),
    "reinforce: the baseline is added": Mutant(
        discrete,
        "(cost - baseline).detach()",
        "(cost + baseline).detach()",
        of(test_discrete.test_the_baseline_lowers_the_variance, 2),
    ),
    "gumbel: the sign": Mutant(
        discrete,
        "return -(-u.clamp",
        "return (-u.clamp",
        of(test_discrete.test_gumbel_max_draws_from_the_softmax),
    ),
    "straight through: the soft value stays": Mutant(
        discrete,
        "(y - y.detach())",
        "y",
        of(test_discrete.test_a_cold_relaxation_is_the_choice_and_straight_through_is_exactly_one_hot),
    ),
    "levels: logits are not normalised": Mutant(
        discrete,
        "(y * logits.log_softmax(-1))",
        "(y * logits)",
        of(test_discrete.test_log_probability_of_independent_levels),
    ),
    "entropy: the standard deviation for the variance": Mutant(
        information, "math.e * sigma**2", "math.e * sigma", of(test_information.test_entropies_are_those_of_scipy)
    ),
    "codes: the constant": Mutant(information, " + math.log(2 * math.pi))", ")", READS),
    "codes: logits are not normalised": Mutant(
        information, "torch.log_softmax(logits, -1).gather", "logits.gather", READS
    ),
    "information: the sign of the entropy": Mutant(
        information,
        "log_q.mean(0) + entropy",
        "log_q.mean(0) - entropy",
        of(test_information.test_a_binary_symmetric_channel_is_read_exactly, 2),
    ),
    "adam: the share of the newest": Mutant(
        unrolling,
        "torch.lerp(gradient, moments.first, betas[0])",
        "torch.lerp(moments.first, gradient, betas[0])",
        ADAM,
    ),
    "adam: one update too few": Mutant(unrolling, "moments.updates + 1)", "moments.updates)", ADAM),
    "adam: no root": Mutant(unrolling, "square.masked_fill(~seen, 1.0).sqrt()", "square.masked_fill(~seen, 1.0)", ADAM),
    "game: the factor one half of r1": Mutant(
        game,
        "game.r1 / 2 * standard * real",
        "game.r1 * standard * real",
        of(test_game.test_a_linear_discriminator_pays_half_its_squared_slope),
    ),
    "game: the unit is not squared": Mutant(
        game, "game.unit**2 *", "game.unit *", of(test_game.test_a_linear_discriminator_pays_half_its_squared_slope)
    ),
    "game: the pair of the other": Mutant(
        game,
        "pair(logit_real, logit_fake)[1]",
        "pair(logit_real, logit_fake)[0]",
        of(test_game.test_the_generator_is_judged_against_its_partners),
    ),
    "crowding: pairs with themselves": Mutant(
        diagnostics,
        "((d.fake <= close).sum() - n)",
        "((d.fake <= close).sum())",
        of(test_diagnostics.test_crowding_counts_collisions_of_points_exactly),
    ),
}

MUTANTS = BOUNDS | LIKELIHOODS | PENALTIES | ADVERSARIAL | OTHERS
TESTS = [value for name, value in globals().items() if name.startswith("test_") and isinstance(value, ModuleType)]
MODULES = list(dict.fromkeys(mutant.module for mutant in MUTANTS.values()))


pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, before, after, check = MUTANTS[name]
    check(module)  # as it stands
    torch.manual_seed(0)
    wrong = plant(monkeypatch, module, before, after, *TESTS, *MODULES)
    with pytest.raises(AssertionError):
        check(wrong)
