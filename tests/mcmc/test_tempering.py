"""Parallel tempering: the law at every temperature and mean exchanges, by enumeration; with mutants."""

import itertools

import pytest
import torch
from tests.mcmc.machines import law, machine_of, number_of, states_of
from tests.mutants import mutated
from torch import Tensor

from veridical.mcmc import tempering
from veridical.mcmc.bipartite import Chains, Machine, Tempering
from veridical.mcmc.tempering import ReplicaNoise, exchange_probability, temper
from veridical.noise import FreshNoise, SampleNoise
from veridical.statistics import chi_square_test

pytestmark = pytest.mark.usefixtures("double_precision")

RATE = 1e-4
"""False-alarm rate of each goodness of fit, for a fresh seed."""

BETAS = torch.tensor([0.0, 0.3, 0.45, 1.0])
"""An uneven ladder: equal steps would hide that two of them are exchanged."""


def path_of() -> Tempering:
    machine = machine_of("binary", "spin", scale=1.5)
    return Tempering(machine, visible=torch.tensor([0.5, -0.5, 0.2]))


def equilibrium(path: Tempering, chains: int) -> Chains:
    """Draw the states of all replicas from their exact laws."""
    v = states_of(path.machine)
    rows = [torch.multinomial(law(path, float(beta)), chains, replacement=True) for beta in BETAS]
    return path.at(v[torch.cat(rows)])


def assert_laws(path: Tempering, state: Chains) -> None:
    """Check the frequencies of the states of every replica."""
    for beta, v in zip(BETAS.tolist(), state.v.reshape(len(BETAS), -1, path.machine.weights.shape[0]), strict=True):
        counts = torch.bincount(number_of(v, path.machine), minlength=len(states_of(path.machine)))
        assert chi_square_test(counts, len(v) * law(path, beta)).p_value > RATE


def test_every_replica_keeps_its_law() -> None:
    """Exact draws at every temperature, then exchanges alone, and steps with exchanges: still exact at each."""
    path, n = path_of(), 4_000
    state = equilibrium(path, n)
    noise = FreshNoise(n * len(BETAS))
    for _ in range(4):
        state, _ = temper(path, state, BETAS, noise)
    assert_laws(path, state)


def test_the_law_is_reached_from_one_state() -> None:
    path, n = path_of(), 4_000
    state, noise = path.at(states_of(path.machine)[:1].expand(n * len(BETAS), -1)), FreshNoise(n * len(BETAS))
    for _ in range(30):
        state, _ = temper(path, state, BETAS, noise)
    assert_laws(path, state)


def test_mean_exchanges_are_those_of_the_enumeration() -> None:
    """Sum over both states of p_i(s) p_j(s') min(1, f_i(s') f_j(s) / f_i(s) f_j(s'))."""
    path = path_of()
    v = states_of(path.machine)
    log_f = [path.log_f(path.at(v), float(beta)) for beta in BETAS]
    pairs = torch.tensor(list(itertools.product(range(len(v)), repeat=2)))
    for i in range(len(BETAS) - 1):
        p = law(path, float(BETAS[i]))[pairs[:, 0]] * law(path, float(BETAS[i + 1]))[pairs[:, 1]]
        s, t = log_f[i], log_f[i + 1]
        ratio = s[pairs[:, 1]] + t[pairs[:, 0]] - s[pairs[:, 0]] - t[pairs[:, 1]]
        expected = (p * ratio.exp().clamp(max=1)).sum()
        rows = torch.cat([v[pairs[:, 0]], v[pairs[:, 1]]])
        found = exchange_probability(path, path.at(rows), BETAS[i : i + 2])[0]
        torch.testing.assert_close((p * found).sum(), expected, rtol=1e-12, atol=0)


def test_exchanges_move_whole_states_between_neighbours() -> None:
    """Without weights all replicas have one law, so that every exchange takes place: two sets of pairs, one after the
    other, carry every state two replicas on, or back."""
    machine = machine_of("binary", "binary")
    path = Tempering(Machine(0 * machine.weights, machine.visible, machine.hidden), machine.visible.bias)
    state = path.at(torch.eye(4, 3).repeat_interleave(2, 0))
    betas = torch.zeros(4)
    for parity in (0, 1):
        source = tempering._exchanges(exchange_probability(path, state, betas), parity, FreshNoise(8))
        state = tempering._exchanged(state, source)
    assert torch.equal(state.v[::2], torch.eye(4, 3)[[1, 3, 0, 2]]) and torch.equal(state.v[::2], state.v[1::2])


def test_replicas_have_noise_of_their_own_that_belongs_to_the_chain() -> None:
    whole, third = (ReplicaNoise(SampleNoise(1, first, n), 3) for first, n in ((0, 4), (2, 1)))
    for draw in (lambda noise: noise.uniform(2), lambda noise: noise.normal(), lambda noise: noise.integers(1000)):
        drawn: Tensor = draw(whole)
        assert torch.equal(drawn.reshape(3, 4, -1)[:, 2], draw(third).reshape(3, -1))
        assert len(drawn.reshape(12, -1).unique(dim=0)) > 6


MUTANTS = [
    ("exchange_probability", "above[:-1] + below[1:] - own[:-1] - own[1:]",
     "own[:-1] + own[1:] - above[:-1] - below[1:]"),
    ("exchange_probability", "betas.roll(-1, 0), betas.roll(1, 0)", "betas.roll(1, 0), betas.roll(-1, 0)"),
    ("exchange_probability", ".clamp(max=0)", ""),
    ("exchange_probability", "- own[:-1] - own[1:])", "- own[:-1] - own[1:]).div(3)"),
    ("temper", "_of_rows(betas, state)", "1.0"),
    ("_exchanges", "& (pair % 2 == parity)", ""),
    ("_exchanged", "source * source.shape[1] + chains", "source * source.shape[1] + 0 * chains"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after"), MUTANTS)
def test_mutants_are_found(name: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = mutated(getattr(tempering, name), before, after)
    monkeypatch.setattr(tempering, name, wrong)
    if name == "exchange_probability":
        monkeypatch.setitem(globals(), name, wrong)
    if name == "temper":
        monkeypatch.setitem(globals(), name, wrong)
    with pytest.raises((AssertionError, RuntimeError)):
        test_mean_exchanges_are_those_of_the_enumeration()
        test_every_replica_keeps_its_law()
        test_exchanges_move_whole_states_between_neighbours()
