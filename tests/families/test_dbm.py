"""Deep Boltzmann machine: sums, bounds, gradients, chains and pretraining against enumeration; with mutants."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from scipy import stats
from tests.families import three_bits
from tests.families.proofs import all_examples
from tests.mutants import is_noticed
from torch import Tensor

import veridical as vd
from veridical.config import DataConfig, OptimizerConfig, RunConfig, TrainingConfig
from veridical.config.families.dbm import DBMConfig, DBMSampling
from veridical.data.dataset import ArrayData
from veridical.evaluation.density import density_of
from veridical.evaluation.likelihood import measure_likelihood
from veridical.evaluation.normalisation import Effort, annealed
from veridical.families import dbm as module
from veridical.families.dbm import DBM, Stage
from veridical.model import Batch, Space
from veridical.noise import FreshNoise, SampleNoise

pytestmark = pytest.mark.usefixtures("double_precision")

BITS = Space((1, 2, 2), levels=2)
SPINS = Space((1, 1, 3), kind="lattice", levels=2)
LEVELS = Space((2,), kind="vector", levels=3)
RATE = 1e-4
"""False-alarm rate of every statistical test, for a fresh seed."""

STAGES: tuple[Stage, Stage] = ("lower", "upper")

N = 3_000
"""Chains of an expected gradient."""

KINDS: dict[str, tuple[Space, dict[str, Any]]] = {
    "bits": (BITS, {}),
    "spins": (SPINS, {"hidden": "spin"}),
    "levels": (LEVELS, {}),
}


def machine_model(space: Space = BITS, scale: float = 0.8, seed: int = 0, **choices: Any) -> DBM:
    torch.manual_seed(seed)
    few: dict[str, Any] = {"width": 3, "upper_width": 2, "negative": "pcd", "chains": N, "centred": False}
    model = DBM(DBMConfig(**few | choices), space)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * scale)
    return model


def joint(model: DBM) -> Tensor:
    """log f of all states (v, h, g), written from the definition."""
    v, (h, g) = model.to_units(all_examples(model.space)), states(model)
    c = (model.bias_below + model.bias_above) / 2
    pairs = (v @ model.weights @ h.T)[:, :, None] + (h @ model.upper_weights @ g.T)[None]
    return pairs + (v @ model.visible_bias)[:, None, None] + (h @ c)[:, None] + g @ model.upper_bias


def states(model: DBM) -> tuple[Tensor, Tensor]:
    units = model.hidden_units
    return units.states(model.config.width), units.states(model.config.upper_width)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("upper", [2, 4])
def test_energies_and_log_z_are_the_sums(name: str, upper: int) -> None:
    space, choices = KINDS[name]
    model = machine_model(space, upper_width=upper, **choices)
    log_f = joint(model)
    torch.testing.assert_close(-model.energy(all_examples(space)), log_f.flatten(1).logsumexp(1))
    assert model.log_partition() == pytest.approx(float(log_f.detach().flatten().logsumexp(0)), rel=1e-12)


def check_the_bound(name: str = "bits") -> None:
    """Above the energy by mean field, and equal to it where the layers g and h are not coupled."""
    space, choices = KINDS[name]
    model, x = machine_model(space, scale=2.0, **choices), all_examples(space)
    exact, bound = -joint(model).flatten(1).logsumexp(1), bounded(model, x)
    assert (bound >= exact - 1e-12).all() and (bound - exact).max() > 1e-3
    with torch.no_grad():
        model.upper_weights.zero_()
    assert torch.allclose(bounded(model, x), -joint(model).flatten(1).logsumexp(1))


def bounded(model: DBM, x: Tensor) -> Tensor:
    model.energy_is_bound = True
    with torch.no_grad():
        return model.energy(x)


@pytest.mark.parametrize("name", KINDS)
def test_the_bound_is_one_and_tight_without_the_upper_layer(name: str) -> None:
    check_the_bound(name)


# The gradient.


def exact_chains(model: DBM, stage: Stage) -> None:
    """Put the chains into equilibrium, at every temperature."""
    path = model._tempering(model.machine(stage), stage)
    h = states(model)[0]
    betas = model.betas if model.config.negative == "temper" else torch.ones(1)
    with torch.no_grad():
        laws = [torch.softmax(path.log_f(path.at(h), float(beta)), 0) for beta in betas]
    model.chains.copy_(model.hidden_units.pack(h[torch.cat([torch.multinomial(p, N, replacement=True) for p in laws])]))


def gradient(value: Tensor, model: DBM) -> Tensor:
    found = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten()
                      for p, g in zip(model.parameters(), found, strict=True)])  # fmt: skip


def is_expected(model: DBM, x: Tensor, expected: Tensor, step: int = 0, repeats: int = 20) -> None:
    """The mean of the loss's gradient over fresh chains in equilibrium is the expected one."""
    torch.manual_seed(11)
    found = []
    for _ in range(repeats):
        exact_chains(model, model.pattern(step))
        found.append(gradient(model.loss(Batch(x, torch.arange(len(x))), player="model", step=step).loss, model))
    values = torch.stack(found)
    error = values.std(0) / repeats**0.5
    t = ((values.mean(0) - expected).abs() / error.clamp(min=1e-9)).max()
    assert float(t) < stats.t.isf(RATE / 2 / len(expected), repeats - 1)


def data_of(space: Space, n: int = 30) -> Tensor:
    everything = all_examples(space)
    return everything[torch.randint(len(everything), (n,), generator=torch.Generator().manual_seed(2))]


def gradient_of_the_bound(model: DBM, x: Tensor) -> Tensor:
    """Of the mean of log Z minus sum q log(f / q) at the q of the updates, written over all hidden states."""
    h, g = states(model)
    v = model.to_units(x)
    with torch.no_grad():
        found = model.mean_field(v, model.config.updates)
        q_h = torch.softmax(found.field @ h.T, 1)
        q_g = torch.softmax(model.hidden_units.field(found.second, None) @ g.T, 1)
    log_f, everything = joint(model), model.to_units(all_examples(model.space))
    rows = (v[:, None] == everything).all(-1).long().argmax(1)
    mean = (q_h[:, :, None] * q_g[:, None] * log_f[rows]).sum((1, 2)).mean()
    return gradient(log_f.flatten().logsumexp(0) - mean, model)


def check_the_gradient(name: str = "bits", **choices: Any) -> None:
    space, more = KINDS[name]
    model, x = machine_model(space, updates=2, **more, **choices), data_of(space)
    is_expected(model, x, gradient_of_the_bound(model, x))


@pytest.mark.parametrize("name", KINDS)
def test_the_expected_gradient_is_that_of_the_bound(name: str) -> None:
    check_the_gradient(name)


def test_replicas_have_the_same_expected_gradient() -> None:
    check_the_gradient(negative="temper", replicas=3)


def test_without_the_upper_layer_it_is_that_of_the_likelihood() -> None:
    model, x = machine_model(), data_of(BITS)
    with torch.no_grad():
        model.upper_weights.zero_()
    log_z = joint(model).flatten().logsumexp(0)
    exact = gradient(model.energy(x).mean() + log_z, model)
    torch.testing.assert_close(gradient_of_the_bound(model, x), exact)


def test_centring_leaves_the_machine_as_it_is_and_its_step_goes_uphill() -> None:
    """The centred gradient is the plain one times a positive matrix: their product is positive."""
    model, x = machine_model(chains=N), data_of(BITS)
    for buffer in (model.visible_mean, model.hidden_mean, model.upper_mean):
        buffer.copy_(torch.rand(buffer.shape))
    found = []
    for centring in (False, True):
        model.config = replace(model.config, centred=centring)
        torch.manual_seed(3)
        exact_chains(model, "whole")
        loss = model.loss(Batch(x, torch.arange(len(x))), player="model", step=0).loss
        found.append((loss.detach(), gradient(loss, model)))
    torch.testing.assert_close(found[0][0], found[1][0])
    assert float(found[0][1] @ found[1][1]) > 0 and not torch.allclose(found[0][1], found[1][1])


# Chains.


def check_the_chains(stage: Stage = "whole") -> None:
    """The states of h, after a step from the law of h in the machine of three layers, still have it."""
    torch.manual_seed(4)
    model = machine_model(scale=1.5, chains=8_000)
    log_p = joint(model).logsumexp((0, 2))
    h = states(model)[0]
    model.chains.copy_(model.hidden_units.pack(h[torch.multinomial(torch.softmax(log_p, 0), 8_000, replacement=True)]))
    with torch.no_grad():
        x, _ = model.go_on(model._tempering(model.machine(stage), stage))
    counts = (x[:, None] == h).all(-1).sum(0).double()
    assert stats.chisquare(counts, 8_000 * torch.softmax(log_p, 0).detach()).pvalue > RATE


def test_chains_keep_the_law_of_the_lower_hidden_layer() -> None:
    check_the_chains()


def test_chains_of_three_layers_are_in_detailed_balance() -> None:
    """p(h) K(h, h') is symmetric, with K(h, h') = sum over v, g of p(v, g | h) p(h' | v, g) of the definition."""
    log_f = joint(machine_model(scale=1.5))
    given_h = log_f - log_f.logsumexp((0, 2), keepdim=True)
    given_others = log_f - log_f.logsumexp(1, keepdim=True)
    kernel = torch.einsum("vhg,vkg->hk", given_h.exp(), given_others.exp())
    flow = torch.softmax(log_f.logsumexp((0, 2)), 0)[:, None] * kernel
    torch.testing.assert_close(flow, flow.T, rtol=1e-9, atol=1e-12)


# Pretraining.


def check_the_composition() -> None:
    """p(h) is the geometric mean of those of both pairs, up to a constant, and p(v|h), p(g|h) are theirs."""
    model = machine_model()
    h, g = states(model)
    log_f, v = joint(model), model.to_units(all_examples(BITS))
    lower, upper = (-model.machine(stage).free_energy(h) for stage in STAGES)
    whole = log_f.logsumexp((0, 2)) - (lower + upper) / 2
    assert torch.allclose(whole, whole[0].expand_as(whole))
    for stage, x, axis in zip(STAGES, (v, g), (2, 0), strict=True):
        machine, n = model.machine(stage), x.shape[1]
        field = machine.hidden_field(h)
        assert torch.allclose(field[:, :n], field[:, n:])  # two copies
        given = torch.log_softmax(x @ field[:, :n].T, 0)
        own = log_f.logsumexp(axis)
        own = own.T if stage == "upper" else own
        assert torch.allclose(given, own - own.logsumexp(0))


def test_pretrained_pairs_compose() -> None:
    check_the_composition()


def check_a_pair(stage: Stage) -> None:
    """The gradient of each pair is that of the exact likelihood of its machine of two copies."""
    model, x = machine_model(pretrain=5), data_of(BITS)
    machine = model.machine(stage)
    h = states(model)[0]
    log_z = torch.logsumexp(-machine.free_energy(h), 0)
    v = model.to_units(x)
    if stage == "lower":
        mean = machine.transposed().free_energy(torch.cat([v, v], 1)).mean()
    else:
        with torch.no_grad():
            q = torch.softmax((model.bias_below + 2 * v @ model.weights) @ h.T, 1)
        mean = (q * machine.free_energy(h)).sum(1).mean()
    is_expected(model, x, gradient(mean + log_z, model), step=0 if stage == "lower" else 5)


@pytest.mark.parametrize("stage", ["lower", "upper"])
def test_a_pair_learns_by_its_own_likelihood(stage: Stage) -> None:
    check_a_pair(stage)


def test_pairs_are_trained_one_after_the_other() -> None:
    model = machine_model(pretrain=3)
    assert [model.pattern(step) for step in range(8)] == 3 * ["lower"] + 3 * ["upper"] + 2 * ["whole"]
    assert machine_model().pattern(0) == "whole"


# Both sides.


def check_the_ends() -> None:
    """Sum over h of q(h | x) times the weight is exp(-energy), whatever q is: the last states of all draws have it."""
    model, x = machine_model(scale=1.5), all_examples(BITS)[5:6]
    h = states(model)[0]
    torch.manual_seed(5)
    drawn, log_w = model.ends(x.expand(4_000, -1, -1, -1), FreshNoise(4_000))
    rows = (drawn[:, None] == h).all(-1).long().argmax(1)
    weights = torch.zeros(len(h)).index_put_((rows,), log_w.detach().exp())
    q = torch.softmax(model.mean_field(model.to_units(x), module.SETTLED).field @ h.T, 1)[0]
    assert len(rows.unique()) == len(h)  # the rarest is missing with a chance below e^-20
    assert torch.allclose((q * weights).sum(), (-model.energy(x)).exp()[0])
    assert stats.chisquare(torch.bincount(rows, minlength=len(h)), 4_000 * q.detach()).pvalue > RATE


def test_ends_have_weights_whose_mean_is_that_of_the_energy() -> None:
    check_the_ends()


@torch.no_grad()
def test_both_sides_meet_at_the_sum() -> None:
    """False alarms: the forward side errs by 4 of its standard errors, the backward one by 4; 1e-4 in all."""
    model, effort = machine_model(Space((1, 3, 3), levels=2), width=6, upper_width=5), Effort(100, 200)
    found, exact = annealed(model, model.space, torch.device("cpu"), effort, seed=1), model.log_partition()
    assert found.value == pytest.approx(exact, abs=4 * found.standard_error) and 0 < found.standard_error < 0.1
    torch.manual_seed(6)
    x = model.sample(200)
    assert found.below is not None and exact is not None
    gap = -model.energy(x) - exact - found.below(x)
    assert -4 * float(gap.std()) / 200**0.5 < float(gap.mean()) < 0.5


def test_a_bound_is_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_default_dtype(torch.float32)
    model = machine_model()
    model.energy_is_bound = True
    x = (model.sample(40) + 1) / 2
    train, test = (ArrayData(part.to(torch.uint8), space=BITS) for part in (x[:20], x[20:]))
    density = density_of(model)
    assert density is not None and density.kind == "lower bound" and density.source.startswith("bound of the energy")
    measured = {m.name: m for m in measure_likelihood(model, train, test, 100, 0, density)}
    assert measured["nats_test"].bound == "lower"
    model.energy_is_bound = False
    exact = density_of(model)
    assert exact is not None and exact.kind == "exact"
    assert (density.log_prob(all_examples(BITS)) <= exact.log_prob(all_examples(BITS)) + 1e-5).all()
    monkeypatch.setattr(DBM, "log_partition", lambda self: None)
    model.energy_is_bound = True
    annealed_bound = density_of(model, effort=Effort(50, 50))  # a sum of bounds over all examples would be no log Z
    assert annealed_bound is not None and annealed_bound.below is not None and annealed_bound.kind == "lower bound"


# Runs.


def test_training_finds_a_distribution_of_three_bits() -> None:
    """After pretraining, with the exact density."""
    steady = OptimizerConfig("sgd", lr=1.0, schedule="linear")
    config = DBMConfig(width=6, upper_width=3, chains=300, optimizer=steady, pretrain=60, updates=3)
    torch.manual_seed(0)
    assert three_bits.learns(DBM(config, three_bits.SPACE), 420)


def test_a_run_resumed_amid_pretraining_is_an_uninterrupted_one_to_the_bit(tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float32)
    steady = OptimizerConfig(lr=0.01, betas=(0.0, 0.999))
    model = DBMConfig(width=4, upper_width=3, chains=8, pretrain=3, optimizer=steady)
    training = TrainingConfig(steps=8, batch_size=16, log_every=2, sample_every=100, spectrum_every=0, device="cpu")
    config = RunConfig(model=model, data=DataConfig("bars:3"), training=training)
    vd.train(config, out=tmp_path / "whole", say=silent)
    vd.train(replace(config, training=replace(training, steps=4)), out=tmp_path / "half", say=silent)
    vd.resume(tmp_path / "half", steps=8, say=silent)
    first, second = (load_checkpoint(tmp_path / name) for name in ("whole", "half"))
    assert len(first["chains"].unique()) == 2
    assert all(torch.equal(first[name], second[name]) for name in first)


def silent(message: str) -> None:
    pass


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    return load_file(max((path / "checkpoints").iterdir()) / "weights.safetensors")


@pytest.mark.parametrize("method", ["anneal", "temper"])
def test_sample_i_is_the_same_whatever_the_number(method: Any) -> None:
    model, options = machine_model(LEVELS), DBMSampling(method=method, steps=4, replicas=3)
    whole = model.sample(5, noise=SampleNoise(1, 0, 5), options=options)
    assert torch.equal(whole[2:3], model.sample(1, noise=SampleNoise(1, 2, 1), options=options))
    mean = model.sample(5, noise=SampleNoise(1, 0, 5), options=replace(options, output="mean"))
    assert mean.shape == whole.shape and not torch.equal(mean, whole)
    assert model.sample(0, options=options).shape == (0, 2)


def test_large_hidden_layers_are_not_summed_and_continuous_data_are_refused() -> None:
    assert machine_model(width=11, upper_width=11).energy_is_bound and not machine_model(width=11).energy_is_bound
    with pytest.raises(ValueError, match=r"are continuous, .* of at most 32 levels. For continuous data choose an rbm"):
        DBM(DBMConfig(), Space((2,), kind="vector", support=None, levels=None))
    with pytest.raises(ValueError, match=r"have 256 levels, and this machine takes at most 32. For more"):
        DBM(DBMConfig(), Space((1, 2, 2)))


MUTANTS: list[tuple[Any, str, str, str, Callable[[], None]]] = [
    (DBM, "hidden_layers", "(self.bias_below + self.bias_above) / 2", "self.bias_below", check_the_chains),
    (DBM, "machine", "((W, b), (U, d))", "((2 * W, b), (U, d))", check_the_chains),
    (DBM, "machine", "((W, b), (W, b))", "((W, b), (0 * W, b))", check_the_composition),
    (DBM, "machine", "((U, d), (U, d))", "((2 * U, 2 * d), (0 * U, 0 * d))", check_the_composition),
    (DBM, "machine", "((W, b), (U, d))", "((W, b), (2 * U, d))", check_the_chains),
    (DBM, "_inferred", "self.config.updates", "1", check_the_gradient),
    (DBM, "loss", "- machine.free_energy", "+ machine.free_energy", check_the_gradient),
    (DBM, "_inferred", "[v, found.second]", "[v, 0 * found.second]", check_the_gradient),
    (DBM, "_inferred", "copies = torch.cat([v, v], -1)", "copies = torch.cat([v, 0 * v], -1)",
     lambda: check_a_pair("lower")),
    (DBM, "_inferred", "below.visible.bias + copies", "copies", lambda: check_a_pair("upper")),
    (DBM, "energy", "self.mean_field(v, SETTLED).bound", "self.mean_field(v, SETTLED).bound - 0.1", check_the_bound),
    (DBM, "ends", "- log_q", "", check_the_ends),
    (DBM, "ends", "+ above", "", check_the_ends),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[2][:30]}")
def test_mutants_are_found(mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    *planted, check = mutant
    is_noticed(check, monkeypatch, *planted)
