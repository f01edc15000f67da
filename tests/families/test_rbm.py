"""Restricted Boltzmann machine: expected gradients against enumeration, invariances, chains; with mutants."""

import contextlib
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
from tests.mcmc.machines import kernel, law_of_a_slice
from tests.mutants import is_noticed
from torch import Tensor

import veridical as vd
from veridical.config import DataConfig, OptimizerConfig, RunConfig, TrainingConfig
from veridical.config.families.rbm import RBMConfig, RBMSampling
from veridical.data.dataset import ArrayData
from veridical.families import rbm as module
from veridical.families.boltzmann import Tracked
from veridical.families.rbm import RBM
from veridical.mcmc.bipartite import Tempering, centred
from veridical.model import Batch, Space
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test
from veridical.training.fit import State, fit

pytestmark = pytest.mark.usefixtures("double_precision")

BITS = Space((1, 2, 2), levels=2)
SPINS = Space((1, 2, 2), kind="lattice", levels=2)
LEVELS = Space((2,), kind="vector", levels=3)
LINE = Space((1,), kind="vector", support=None, levels=None, mean=1.0, std=2.0)
RATE = 1e-4
"""False-alarm rate of every statistical test, for a fresh seed."""

N = 4_000
"""Chains of an expected gradient."""


def machine_model(space: Space = BITS, scale: float = 0.8, **choices: Any) -> RBM:
    model = RBM(RBMConfig(**{"width": 3, "chains": N, "replicas": 3, "centred": False, **choices}), space)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape) * (0.3 if name == "log_precision" else scale))
        if model.config.negative == "trajectory":
            for kept in (model.kept_weights, model.kept_visible, model.kept_hidden):
                kept[1:].copy_(torch.randn(kept[1:].shape) * scale)
    return model


def exact_chains(model: RBM) -> None:
    """Put the chains into equilibrium, at every temperature."""
    kept = model._kept(model.machine())
    path: Any = model.path() if model.config.negative == "trajectory" else model._tempering(model.machine())
    states = kept.visible.states()
    betas = model.betas if model.config.negative in module.LADDERS else torch.ones(1)
    with torch.no_grad():
        laws = [torch.softmax(path.log_f(path.at(states), float(beta)), 0) for beta in betas]
    rows = torch.cat([torch.multinomial(p, N, replacement=True) for p in laws])
    model.chains.copy_(kept.visible.units.pack(states[rows]))


def gradient(loss: Tensor, model: RBM) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def data_of(space: Space, n: int = 20) -> Tensor:
    if space.levels is None:
        return space.mean + space.std * torch.randn(n, *space.shape)
    everything = all_examples(space)
    return everything[torch.randint(len(everything), (n,))]


def exact_gradient(model: RBM, x: Tensor) -> Tensor:
    """Gradient of the mean of -log p, with log Z summed over the states of the layer with states."""
    kept = model._kept(model.machine())
    log_z = torch.logsumexp(-kept.free_energy(kept.visible.states()), 0)
    return gradient(model.energy(x).mean() + log_z, model)


def is_expected(model: RBM, x: Tensor, expected: Tensor, repeats: int = 25) -> None:
    """The mean of the loss's gradient over fresh chains is the expected one."""
    found = []
    for _ in range(repeats):
        if model.config.negative in module.PERSISTENT:
            exact_chains(model)
        found.append(gradient(model.loss(Batch(x, torch.arange(len(x))), player="model", step=0).loss, model))
    values = torch.stack(found)
    error = values.std(0) / repeats**0.5
    t = ((values.mean(0) - expected).abs() / error.clamp(min=1e-9)).max()
    assert float(t) < stats.t.isf(RATE / 2 / len(expected), repeats - 1)


KINDS: dict[str, tuple[Space, dict[str, Any]]] = {
    "bits": (BITS, {}),
    "spins": (SPINS, {"hidden": "spin"}),
    "levels": (LEVELS, {}),
    "line": (LINE, {}),
    "hopfield": (SPINS, {"hidden": "gaussian"}),
    "tempered": (BITS, {"negative": "temper"}),
    "trajectory": (BITS, {"negative": "trajectory", "replicas": 4}),
    "annealed": (BITS, {"negative": "anneal", "replicas": 12, "sweeps": 2}),
    "population": (BITS, {"negative": "population", "replicas": 6, "sweeps": 4}),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_expected_gradient_is_that_of_the_exact_likelihood(name: str) -> None:
    space, choices = KINDS[name]
    model, x = machine_model(space, **choices), data_of(space)
    is_expected(model, x, exact_gradient(model, x))


@pytest.mark.parametrize("sweeps", [1, 3])
def test_contrastive_divergence_has_the_bias_of_its_definition(sweeps: int) -> None:
    """E_data grad F - E grad F(v') with v' after k steps of the exact kernel, and this is not the exact gradient."""
    model, x = machine_model(scale=3.0, negative="cd", sweeps=sweeps), data_of(BITS, 2_000)
    states = model.to_units(all_examples(BITS))
    path = Tempering(model.machine())
    start = (model.to_units(x)[:, None] == states).all(-1).double().mean(0)
    with torch.no_grad():
        end = start @ torch.linalg.matrix_power(kernel(path, 1.0), sweeps)
    expected = gradient(model.energy(x).mean() - (end * model.machine().free_energy(states)).sum(), model)
    is_expected(model, x, expected)
    assert (expected - exact_gradient(model, x)).abs().max() > 0.02


def test_more_steps_of_contrastive_divergence_have_less_bias() -> None:
    model, x = machine_model(scale=2.0, negative="cd"), data_of(BITS)
    states, K = model.to_units(all_examples(BITS)), kernel(Tempering(model.machine()), 1.0).detach()
    start = (model.to_units(x)[:, None] == states).all(-1).double().mean(0)
    bias, exact = [], exact_gradient(model, x)
    for sweeps in (1, 4, 16, 64):
        end = start @ torch.linalg.matrix_power(K, sweeps)
        found = gradient(model.energy(x).mean() - (end * model.machine().free_energy(states)).sum(), model)
        bias.append(float((found - exact).norm()))
    assert bias == sorted(bias, reverse=True) and bias[-1] < 1e-3 < bias[0]


def quantum_counts(sweeps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Counts of the states of quantum chains of a machine of four spins, the law of a slice, and the machine's own."""
    pair = Space((1, 1, 2), kind="lattice", levels=2)
    model = machine_model(pair, hidden="spin", negative="quantum", replicas=4, width=2, sweeps=sweeps, chains=N // 2)
    weights, visible, hidden = torch.tensor([[0.6, -0.3], [0.4, 0.7]]), torch.tensor([0.2, -0.5]), torch.zeros(2)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), (weights, visible, hidden), strict=True):
            parameter.copy_(value)
        machine = model.machine()
        states = machine.visible.states()
        v, _ = model.negative(machine, states)
        slices = law_of_a_slice(machine, 0.3, 4).reshape(4, 4).sum(1)
        return (v[:, None] == states).all(-1).double().sum(0), slices, exact_nats(model).exp()


def test_quantum_chains_reach_the_law_of_their_last_field() -> None:
    """The distribution of a slice at the field 0.3: its distance from the machine's is the bias that remains."""
    counts, slices, own = quantum_counts(sweeps=60)
    assert chi_square_test(counts, counts.sum() * slices).p_value > RATE
    assert float((slices - own).abs().sum() / 2) == pytest.approx(0.0044, abs=1e-4)


def test_quantum_chains_of_few_steps_are_frozen_on_the_way() -> None:
    """After one step at each of five fields the distance is .08, with noise below .02, and not .0044."""
    counts, slices, own = quantum_counts(sweeps=1)
    assert chi_square_test(counts, counts.sum() * slices).p_value < RATE
    assert 0.05 < float((counts / counts.sum() - own).abs().sum() / 2) < 0.12


def exact_nats(model: RBM) -> Tensor:
    energy = model.energy(all_examples(model.space))
    return -energy - torch.logsumexp(-energy, 0)


def a_step(model: RBM, x: Tensor, mu: Tensor, lam: Tensor) -> None:
    """Take a step of gradient ascent on the exact likelihood in centred coordinates."""
    machine = centred(model.machine(), mu, lam)
    log_z = torch.logsumexp(-machine.free_energy(model.to_units(all_examples(model.space))), 0)
    gradients = torch.autograd.grad(machine.free_energy(model.to_units(x)).mean() + log_z, list(model.parameters()))
    with torch.no_grad():
        for parameter, g in zip(model.parameters(), gradients, strict=True):
            parameter.sub_(0.5 * g)


def flipped(model: RBM) -> RBM:
    """The machine of the data with 0 and 1 exchanged: v -> 1 - v."""
    other = machine_model()
    with torch.no_grad():
        other.weights.copy_(-model.weights)
        other.visible_bias.copy_(-model.visible_bias)
        other.hidden_bias.copy_(model.hidden_bias + model.weights.sum(0))
    return other


def hidden_flipped(model: RBM) -> RBM:
    """The same density with h -> 1 - h."""
    other = machine_model()
    with torch.no_grad():
        other.weights.copy_(-model.weights)
        other.visible_bias.copy_(model.visible_bias + model.weights.sum(1))
        other.hidden_bias.copy_(-model.hidden_bias)
    return other


def test_a_centred_step_does_not_depend_on_which_value_is_called_zero() -> None:
    model, x = machine_model(), data_of(BITS, 7)
    mu, lam = torch.rand(4), torch.rand(3)
    twin, other = flipped(model), hidden_flipped(model)
    torch.testing.assert_close(exact_nats(twin).flip(0), exact_nats(model))
    torch.testing.assert_close(exact_nats(other), exact_nats(model))
    before = exact_nats(model).detach()
    a_step(model, x, mu, lam)
    a_step(twin, -x, 1 - mu, lam)
    a_step(other, x, mu, 1 - lam)
    assert (exact_nats(model) - before).abs().max() > 0.1
    torch.testing.assert_close(exact_nats(twin).flip(0), exact_nats(model), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(exact_nats(other), exact_nats(model), rtol=1e-9, atol=1e-9)


def test_a_step_that_is_not_centred_does_depend_on_it() -> None:
    model, x, zero = machine_model(), data_of(BITS, 7), torch.zeros
    twin = flipped(model)
    a_step(model, x, zero(4), zero(3))
    a_step(twin, -x, zero(4), zero(3))
    assert (exact_nats(twin).flip(0) - exact_nats(model)).abs().max() > 1e-3


def test_centring_leaves_the_machine_as_it_is() -> None:
    model = machine_model()
    same, v = centred(model.machine(), torch.rand(4), torch.rand(3)), model.to_units(all_examples(BITS))
    assert torch.equal(same.free_energy(v), model.machine().free_energy(v))


def array_data(x: Tensor, space: Space) -> ArrayData:
    return ArrayData(((x + 1) / 2).to(torch.uint8), space=space)


def test_the_start_has_the_means_of_the_data() -> None:
    x = torch.tensor([[1.0, 1, -1, 1], [1, -1, -1, -1]]).repeat(50, 1).reshape(-1, 1, 2, 2).float()
    model = RBM(RBMConfig(width=2, negative="temper"), BITS)
    with torch.no_grad():
        model.weights.zero_()
    model.start_from(array_data(x, BITS))
    v = model.path().start(FreshNoise(4)).v
    assert v.shape == (4, 4)
    mean = model.start.sigmoid()
    torch.testing.assert_close(mean, torch.tensor([1.0, 0.5, 0.0, 0.5]), atol=0.01, rtol=0)
    nats = exact_nats(model).exp() @ model.to_units(all_examples(BITS))
    torch.testing.assert_close(nats, mean)


def test_chains_are_whole_numbers_that_an_average_leaves_alone() -> None:
    model = machine_model(chains=20)
    state = State(model, steps=4, ema=0.9)
    fit(state, three_bits.Fixed(data_of(BITS)), log_every=4)
    live = model.chains.clone()
    assert state.ema is not None
    state.ema.swap()
    assert model.chains.dtype is torch.int8 and torch.equal(model.chains, live)
    assert set(live.unique().tolist()) <= {0, 1}


@pytest.mark.parametrize("negative", ["pcd", "temper"])
def test_training_finds_a_distribution_of_three_bits(negative: Any) -> None:
    steady = OptimizerConfig("sgd", lr=1.0, schedule="linear")
    config = RBMConfig(width=6, negative=negative, chains=300, replicas=3, optimizer=steady)
    torch.manual_seed(0)
    assert three_bits.learns(RBM(config, three_bits.SPACE), 400)


def check_the_tracking(space: Space = BITS) -> None:
    """The mean weight of chains that follow any parameters is Z at every step, and at one more set of parameters."""
    torch.manual_seed(2)
    n = 20_000
    model = machine_model(space, scale=0.0, negative="cd", tracked=n, sweeps=2)
    with torch.no_grad():
        model.start.fill_(0.7)
    assert model.tracker is not None
    model.tracker.restart(model._tempering(model.machine()))
    x = data_of(space, 5)
    for step in range(6):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.4 * torch.randn(parameter.shape))
        if step < 5:
            terms = model.loss(Batch(x, torch.arange(5)), player="model", step=step).terms
            assert_unbiased(model.tracker.log_weights, log_z_of(model))
            assert float(terms["log_z"]) == pytest.approx(model.tracked_log_z()[0])
            assert float((terms["nats"] - terms["free_energy"]).detach()) == pytest.approx(float(terms["log_z"]))
    path = Tempering(model._kept(model.machine()))
    assert_unbiased(model.tracker.weighed(path, torch.float64), log_z_of(model))
    value, error, effective = model.tracked_log_z()
    assert abs(value - log_z_of(model)) < 5 * error < 0.2 and 100 < effective < n


def log_z_of(model: RBM) -> float:
    found = model.log_partition()
    assert found is not None
    return found


def assert_unbiased(log_w: Tensor, log_z: float) -> None:
    """False alarms of the six tests of a check: 6e-4."""
    w = (log_w - log_z).exp()
    assert abs(float(w.mean()) - 1) < stats.norm.isf(RATE / 2) * float(w.std()) / len(w) ** 0.5


@pytest.mark.parametrize("space", [BITS, LINE], ids=["bits", "line"])
def test_chains_annealed_along_training_have_weights_without_bias(space: Space) -> None:
    check_the_tracking(space)


def test_log_z_of_no_chains_is_refused() -> None:
    with pytest.raises(ValueError, match="no chains were tracked"):
        machine_model().tracked_log_z()


def test_parameters_of_the_way_are_kept() -> None:
    """Each kept set is one that training passed, in order; the first has no weights; both sets of chains go on."""
    model = machine_model(scale=0.0, negative="trajectory", replicas=4, chains=200)
    x = torch.tensor([[1.0, 1, -1, -1], [-1, -1, 1, 1]]).reshape(2, 1, 2, 2)
    passed = []
    for step in range(15):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(2 * torch.randn(parameter.shape))
        passed.append(model.weights.detach().clone())
        model.loss(Batch(x, torch.arange(2)), player="model", step=step)
    when = [step for kept in model.kept_weights[1:] for step, each in enumerate(passed) if torch.equal(kept, each)]
    assert len(when) == 2 and when == sorted(set(when)) and not model.kept_weights[0].any() and len(model.chains) == 800


@pytest.mark.parametrize("negative", ["pcd", "temper", "trajectory"])
def test_a_resumed_run_is_an_uninterrupted_one_to_the_bit(negative: Any, tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float32)
    steady = OptimizerConfig(lr=0.01, betas=(0.0, 0.999))
    tracked = 5 if negative == "trajectory" else 0
    model = RBMConfig(width=4, chains=8, replicas=3, negative=negative, optimizer=steady, tracked=tracked)
    training = TrainingConfig(steps=8, batch_size=16, log_every=2, sample_every=100, spectrum_every=0, device="cpu")
    config = RunConfig(model=model, data=DataConfig("bars:3"), training=training)
    vd.train(config, out=tmp_path / "whole", say=silent)
    vd.train(replace(config, training=replace(training, steps=4)), out=tmp_path / "half", say=silent)
    vd.resume(tmp_path / "half", steps=8, say=silent)
    first, second = (load_checkpoint(tmp_path / name) for name in ("whole", "half"))
    assert "chains" in first and len(first["chains"].unique()) == 2
    assert all(torch.equal(first[name], second[name]) for name in first)


def silent(message: str) -> None:
    pass


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    return load_file(max((path / "checkpoints").iterdir()) / "weights.safetensors")


def test_samples_are_tempered_along_kept_parameters() -> None:
    """The goodness of fit to the exact law; false alarms: 1e-4."""
    model = machine_model(negative="trajectory", replicas=4)
    x = model.sample(N, options=RBMSampling(method="temper", steps=30))
    counts = (x[:, None] == all_examples(BITS)).flatten(2).all(-1).double().sum(0)
    assert chi_square_test(counts, N * exact_nats(model).detach().exp()).p_value > RATE


@pytest.mark.parametrize("method", ["anneal", "gibbs", "temper"])
@pytest.mark.parametrize("space", [BITS, LINE], ids=["bits", "line"])
def test_sample_i_is_the_same_whatever_the_number(method: Any, space: Space) -> None:
    from veridical.noise import SampleNoise

    model, options = machine_model(space), RBMSampling(method=method, steps=4, replicas=3)
    whole = model.sample(5, noise=SampleNoise(1, 0, 5), options=options)
    third = model.sample(1, noise=SampleNoise(1, 2, 1), options=options)
    assert torch.equal(whole[2:3], third)
    mean = model.sample(5, noise=SampleNoise(1, 0, 5), options=replace(options, output="mean"))
    assert mean.shape == whole.shape and not torch.equal(mean, whole)
    assert model.sample(0, options=options).shape == (0, *space.shape)


def test_what_does_not_fit_is_refused() -> None:
    for name in ("binary", "spin", "categorical"):
        with pytest.raises(ValueError, match=f"visible is '{name}', but the components are continuous"):
            RBM(RBMConfig(visible=name), LINE)
    with pytest.raises(ValueError, match="components have 2 levels"):
        RBM(RBMConfig(visible="gaussian"), BITS)
    with pytest.raises(ValueError, match="take spins in both layers"):
        RBM(RBMConfig(negative="quantum"), SPINS)
    with pytest.raises(ValueError, match="Gaussian units, whose precisions are not kept"):
        RBM(RBMConfig(negative="trajectory"), LINE)
    with pytest.raises(ValueError, match="256 levels, and this machine takes at most 32, or continuous data"):
        RBM(RBMConfig(), Space((1, 2, 2)))
    with pytest.raises(ValueError, match="no more than one normal distribution"):
        RBM(RBMConfig(hidden="gaussian"), LINE)
    with pytest.raises(ValueError, match="this machine was built for"):
        machine_model().energy(torch.zeros(2, 3))


MUTANTS: list[tuple[Any, str, str, str, Callable[[], None]]] = [
    (RBM, "loss", "data - self._kept", "data + self._kept",
     lambda: test_the_expected_gradient_is_that_of_the_exact_likelihood("bits")),
    (RBM, "loss", "self._kept(machine).free_energy", "machine.transposed().transposed().free_energy",
     lambda: test_the_expected_gradient_is_that_of_the_exact_likelihood("line")),
    (RBM, "go_on", "[-self.phase.chains :]", "[: self.phase.chains]",
     lambda: test_the_expected_gradient_is_that_of_the_exact_likelihood("tempered")),
    (RBM, "negative", "for _ in range(self.config.sweeps)", "for _ in [0]",
     lambda: test_contrastive_divergence_has_the_bias_of_its_definition(3)),
    (RBM, "_annealed", "falling(steps)", "reversed(falling(steps))",
     test_quantum_chains_reach_the_law_of_their_last_field),
    (RBM, "_annealed", "for _ in range(sweeps)], SLICES", "for _ in [0]], SLICES",
     test_quantum_chains_reach_the_law_of_their_last_field),
    (RBM, "after_exchanges", "order[:-1]", "order[1:]", test_parameters_of_the_way_are_kept),
    (RBM, "after_exchanges", "and_now(self.machine())", "and_now(self.machine()._replace(weights=0.9 * self.weights))",
     test_parameters_of_the_way_are_kept),
    (Tracked, "follow", "- self.last)", ")", check_the_tracking),
    (Tracked, "follow", "self.last.copy_(path.log_f(state, 1.0))", "self.last.copy_(self.last)", check_the_tracking),
    (Tracked, "restart", "path.log_z0", "0.0", check_the_tracking),
    (Tracked, "weighed", "- self.last", "", check_the_tracking),
    (RBM, "energy", "math.log(self.space.std)", "0.0", lambda: a_density_in_data_space()),
    (module, "centred", "- dW @ lam", "", test_a_centred_step_does_not_depend_on_which_value_is_called_zero),
    (module, "centred", "torch.outer(mu, dc)", "0", test_a_centred_step_does_not_depend_on_which_value_is_called_zero),
    (module, "centred", "- torch.outer(db, lam)", "+ torch.outer(db, lam)",
     test_a_centred_step_does_not_depend_on_which_value_is_called_zero),
]  # fmt: skip


def a_density_in_data_space() -> None:
    model = machine_model(LINE)
    x = torch.linspace(-60, 60, 20_001)[:, None]
    total = torch.trapezoid((-model.energy(x).detach() - (model.log_partition() or 0.0)).exp(), x[:, 0])
    assert float(total) == pytest.approx(1, abs=1e-6)


def test_energies_of_continuous_data_are_in_data_space() -> None:
    a_density_in_data_space()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[2][:30]}")
def test_mutants_are_found(mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    *planted, check = mutant
    with contextlib.suppress(RuntimeError):  # a layer of the other size is noticed too
        is_noticed(check, monkeypatch, *planted)
