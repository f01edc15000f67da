"""The path along kept parameters: laws, exchanges and weights by enumeration, which ones are kept; mutants."""

import itertools
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from tests.mcmc.machines import machine_of, number_of, states_of
from tests.mutants import is_noticed
from torch import Tensor

from veridical.mcmc import trajectory as module
from veridical.mcmc.annealing import weigh
from veridical.mcmc.bipartite import Machine, Tempering
from veridical.mcmc.tempering import exchange_probability, temper
from veridical.mcmc.trajectory import Knots, Trajectory, kept_next
from veridical.noise import FreshNoise
from veridical.statistics import chi_square_test

pytestmark = pytest.mark.usefixtures("double_precision")

RATE = 1e-4
"""False-alarm rate of each statistical test, for a fresh seed."""


def machines(kinds: tuple[str, str] = ("binary", "spin")) -> list[Machine]:
    """Independent units, two kept machines and the last one."""
    found = [machine_of(*kinds, scale=scale, seed=seed) for scale, seed in ((1, 1), (0.7, 2), (1.5, 3), (1.5, 4))]
    return [found[0]._replace(weights=0 * found[0].weights), *found[1:]]


def path_of(kinds: tuple[str, str] = ("binary", "spin")) -> Trajectory:
    *kept, last = machines(kinds)
    parts = [(m.weights, m.visible.bias, m.hidden.bias) for m in kept]
    return Trajectory(last, Knots(*(torch.stack(stack) for stack in zip(*parts, strict=True))))


def laws(kinds: tuple[str, str] = ("binary", "spin")) -> list[Tensor]:
    """Probabilities of all states in each machine."""
    return [torch.softmax(-m.free_energy(states_of(m)), 0) for m in machines(kinds)]


@pytest.mark.parametrize("kinds", [("binary", "spin"), ("categorical", "binary")], ids=str)
def test_densities_are_those_of_the_machines(kinds: tuple[str, str]) -> None:
    path, known = path_of(kinds), machines(kinds)
    v = states_of(known[0])
    rows = path.at(v.repeat(len(known), 1))
    blocks = path.log_f(rows, path.betas.repeat_interleave(len(v))).reshape(len(known), -1)
    for machine, beta, block in zip(known, path.betas.tolist(), blocks, strict=True):
        torch.testing.assert_close(path.log_f(path.at(v), beta), -machine.free_energy(v))
        torch.testing.assert_close(block, -machine.free_energy(v))
    assert path.log_z0 == pytest.approx(float(torch.logsumexp(blocks[0], 0)), rel=1e-12)


def check_the_line() -> None:
    """Between two of them the parameters are on the line."""
    path, (_, first, second, _) = path_of(), machines()
    own, layers = torch.lerp(first.weights, second.weights, 0.25), []
    for a, b in ((first.visible, second.visible), (first.hidden, second.hidden)):
        layers.append(a._replace(bias=torch.lerp(a.bias, b.bias, 0.25)))
    between = Machine(own, *layers)
    v = states_of(between)
    assert torch.allclose(path.log_f(path.at(v), 1.25 / 3), -between.free_energy(v))


def test_between_kept_parameters_is_the_line() -> None:
    check_the_line()


def test_without_kept_parameters_it_is_the_path_of_temperatures() -> None:
    first, *_, last = machines()
    path = Trajectory(last, Knots(first.weights[None], first.visible.bias[None], first.hidden.bias[None]))
    other, v = Tempering(last, first.visible.bias, first.hidden.bias), states_of(last)
    for beta in (0.0, 0.3, 1.0):
        torch.testing.assert_close(path.log_f(path.at(v), beta), other.log_f(other.at(v), beta))
        torch.manual_seed(3)
        drawn = path.step(path.at(v), beta, FreshNoise(len(v))).v
        torch.manual_seed(3)
        assert torch.equal(drawn, other.step(other.at(v), beta, FreshNoise(len(v))).v)


def check_the_replicas() -> None:
    """Exact draws of every machine, then steps with exchanges: still exact for each."""
    torch.manual_seed(0)
    path, known, n = path_of(), laws(), 4_000
    v = states_of(path.machine)
    state = path.at(torch.cat([v[torch.multinomial(p, n, replacement=True)] for p in known]))
    for _ in range(4):
        state, _ = temper(path, state, path.betas, FreshNoise(n * len(known)))
    for p, part in zip(known, state.v.reshape(len(known), n, -1), strict=True):
        counts = torch.bincount(number_of(part, path.machine), minlength=len(v))
        assert chi_square_test(counts, n * p).p_value > RATE


def test_every_replica_keeps_the_law_of_its_machine() -> None:
    check_the_replicas()


def check_the_exchanges() -> None:
    """Sum of p_i(s) p_j(s') min(1, f_i(s') f_j(s) / f_i(s) f_j(s')) over both states, for all pairs of neighbours."""
    path, known, v = path_of(), laws(), states_of(machines()[0])
    pairs = torch.tensor(list(itertools.product(range(len(v)), repeat=2)))
    s, t = pairs.T
    for i in range(3):
        p, q = known[i].log(), known[i + 1].log()
        weight = (p[s] + q[t]).exp()
        expected = (weight * (p[t] + q[s] - p[s] - q[t]).exp().clamp(max=1)).sum()
        rows = [v[s]] * (i + 1) + [v[t]] * (3 - i)  # only the pair in question counts
        found = exchange_probability(path, path.at(torch.cat(rows)), path.betas)[i]
        assert torch.allclose((weight * found).sum(), expected)


def test_mean_exchanges_are_those_of_the_enumeration() -> None:
    check_the_exchanges()


def check_the_weights() -> None:
    """Annealing along the parameters, uneven and across them: the mean weight is Z / Z_0."""
    torch.manual_seed(1)
    path, n = path_of(), 20_000
    v = states_of(path.machine)
    exact = float(torch.logsumexp(-path.machine.free_energy(v), 0)) - path.log_z0
    log_w, state = weigh(path, [0.0, 0.2, 1 / 3, 0.5, 0.9, 1.0], FreshNoise(n))
    w = (log_w - exact).exp()
    assert abs(float(w.mean()) - 1) < stats.norm.isf(RATE / 2) * float(w.std()) / n**0.5
    back, _ = weigh(path, [0.0, 0.2, 1 / 3, 0.5, 0.9, 1.0], FreshNoise(n),
                    path.at(v[torch.multinomial(laws()[-1], n, replacement=True)]), backward=True)  # fmt: skip
    w = (exact - back).exp()
    assert abs(float(w.mean()) - 1) < stats.norm.isf(RATE / 2) * float(w.std()) / n**0.5
    assert len(state.v) == n


def test_annealing_along_them_has_weights_without_bias() -> None:
    check_the_weights()


def check_what_is_kept() -> None:
    """As many as before: all stay, or the last is there twice, and the one goes whose neighbours exchange most."""
    for exchanged, expected in (
        ([0.9, 0.9, 0.9], [0, 1, 2, 3]),
        ([0.9, 0.9, 0.1], [0, 2, 3, 3]),
        ([0.2, 0.9, 0.2], [0, 2, 3, 3]),
        ([0.2, 0.3, 0.29], [0, 1, 3, 3] if 0.3 * 0.29 > 0.2 * 0.3 else [0, 2, 3, 3]),
        ([0.1, 0.9, 0.29], [0, 1, 3, 3]),
        ([1.0, 1.0, 0.0], [0, 2, 3, 3]),
    ):
        assert kept_next(torch.tensor(exchanged)).tolist() == expected


def test_the_newest_parameters_are_kept_when_exchanges_are_rare() -> None:
    check_what_is_kept()


MUTANTS: list[tuple[object, str, str, str, Callable[[], None]]] = [
    (Trajectory, "step", "c[:, None] + blocks @ W", "blocks @ W", check_the_replicas),
    (Trajectory, "step", "b[:, None] + h", "b[-1:, None] + h", check_the_replicas),
    (Trajectory, "log_f", "blocks @ W", "blocks @ W[-1]", check_the_exchanges),
    (Trajectory, "_blocks", "* self.last).round()", "* self.last - 1).clamp(min=0).round()", check_the_exchanges),
    (Trajectory, "_blocks", "beta * self.last - k)", "0.5)", check_the_line),
    (Trajectory, "start", "self.knots.visible[0]", "self.knots.visible[-1]", check_the_weights),
    (Trajectory, "log_z0", "(b[0])", "(b[1])", check_the_weights),
    (module, "kept_next", "exchanged[-1] < SELDOM", "exchanged[-1] > SELDOM", check_what_is_kept),
    (module, "kept_next", "1 + (exchanged", "0 + (exchanged", check_what_is_kept),
    (module, "kept_next", ".argmax()", ".argmin()", check_what_is_kept),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[2]}")
def test_mutants_are_found(mutant: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, before, after, check = mutant
    if name == "log_z0":
        from tests.mutants import mutated

        assert owner is Trajectory
        getter = Trajectory.log_z0
        assert isinstance(getter, property) and getter.fget is not None
        wrong = mutated(getter.fget, before, after)
        monkeypatch.setattr(Trajectory, name, wrong)
        with pytest.raises(AssertionError):
            check()
        return
    is_noticed(check, monkeypatch, owner, name, before, after)
