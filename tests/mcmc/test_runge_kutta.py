"""Solvers and the densities that they transport, where both are known; wrong lines must turn the tests red."""

import math
from collections.abc import Callable

import pytest
import torch
from tests.mutants import is_noticed
from torch import Tensor
from torch.distributions import MultivariateNormal

from veridical.mcmc import runge_kutta
from veridical.mcmc.runge_kutta import SCHEMES, Method

pytestmark = pytest.mark.usefixtures("double_precision")

A = torch.tensor([[0.3, -1.2, 0.4], [0.7, -0.5, 0.1], [-0.2, 0.9, 0.6]], dtype=torch.float64)
"""A matrix that is not symmetric, of trace 0.4."""


def linear(x: Tensor, t: Tensor) -> Tensor:
    return x @ A.T


def bent(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(x @ A.T + t) + 0.3 * x


def times(n: int, start: float = 0.0, end: float = 1.0) -> Tensor:
    return torch.linspace(start, end, n + 1, dtype=torch.float64)


@pytest.mark.parametrize("method", SCHEMES)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_constant_field_moves_by_itself_for_any_number_of_steps(method: Method, n: int) -> None:
    c, x = torch.tensor([1.0, -2.0, 0.5]), torch.randn(4, 3)
    moved = runge_kutta.solve(lambda x, t: c.expand_as(x), x, times(n), method)
    torch.testing.assert_close(moved, x + c, rtol=0, atol=1e-12)
    back = runge_kutta.solve(lambda x, t: c.expand_as(x), moved, times(n, 1.0, 0.0), method)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-12)


def check_order() -> None:
    """Halving the steps divides the error by 2 to the order, in a field that depends on place and time."""
    x = torch.randn(5, 3)
    exact = runge_kutta.solve(bent, x, times(128), "rk4")
    methods: tuple[Method, ...] = ("euler", "heun", "rk4")
    for method, order in zip(methods, (1, 2, 4), strict=True):
        errors = [float((runge_kutta.solve(bent, x, times(n), method) - exact).norm()) for n in (8, 16)]
        assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


def check_linear_density() -> None:
    """A linear field carries a Gaussian to a Gaussian: end, expansion and density in closed form."""
    x = torch.randn(6, 3)
    end, expansion = runge_kutta.transport(linear, x, times(40, 0.0, 1.5))
    M = torch.matrix_exp(1.5 * A)
    torch.testing.assert_close(end, x @ M.T, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(expansion, torch.full((6,), 1.5 * 0.4), rtol=1e-9, atol=0)
    log_p = MultivariateNormal(torch.zeros(3), torch.eye(3)).log_prob(end) + expansion
    inverse = torch.linalg.inv(M)
    torch.testing.assert_close(
        log_p, MultivariateNormal(torch.zeros(3), inverse @ inverse.T).log_prob(x), atol=1e-6, rtol=0
    )


def check_trace() -> None:
    """The trace is that of the Jacobian by automatic derivatives, in a field that is not linear."""
    x, t = torch.randn(2, 3), torch.tensor(0.3)
    v, trace = runge_kutta.with_trace(bent, x, t, None)
    torch.testing.assert_close(v, bent(x, t))
    for row in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda r: bent(r, t), x[row])
        assert float(trace[row]) == pytest.approx(float(torch.trace(jacobian)), rel=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("probes", [1, 7])
def test_random_signs_give_the_trace_of_a_diagonal_matrix(probes: int) -> None:
    diagonal = torch.tensor([0.5, -2.0, 3.0])
    signs = 2.0 * torch.randint(2, (probes, 4, 3)) - 1
    _, trace = runge_kutta.with_trace(lambda x, t: diagonal * x, torch.randn(4, 3), torch.tensor(0.0), signs)
    torch.testing.assert_close(trace, torch.full((4,), 1.5))


def check_estimated_trace() -> None:
    """Estimates have the trace as their mean, also of a matrix that is not symmetric."""
    n = 20_000
    signs = 2.0 * torch.randint(2, (1, n, 3)) - 1
    _, trace = runge_kutta.with_trace(linear, torch.randn(n, 3), torch.tensor(0.0), signs)
    # False alarm 1e-4.
    assert abs(float(trace.mean()) - 0.4) < 3.9 * float(trace.std()) / math.sqrt(n)
    off = A + A.T - 2 * torch.diag(A.diagonal())
    assert float(trace.var()) == pytest.approx(float(off.square().sum()) / 2, rel=0.1)


def check_richardson() -> None:
    """The estimated error is the error, once steps are small."""
    x = torch.randn(5, 3)
    exact = runge_kutta.transport(bent, x, times(128)).expansion
    methods: tuple[Method, ...] = ("heun", "rk4")
    for method in methods:
        coarse, fine = (runge_kutta.transport(bent, x, times(n), method).expansion for n in (16, 32))
        estimate = runge_kutta.richardson(coarse, fine, method)
        assert float(estimate.sum()) == pytest.approx(float((fine - exact).abs().sum()), rel=0.2)


def test_a_row_does_not_depend_on_the_others() -> None:
    x = torch.randn(4, 3)
    whole = runge_kutta.transport(bent, x, times(4))
    alone = runge_kutta.transport(bent, x[2:3], times(4))
    torch.testing.assert_close(alone.expansion, whole.expansion[2:3])
    assert not whole.expansion.requires_grad and not whole.x.requires_grad


MUTANTS = [
    ("solve", "x + _increment", "x - _increment", check_order),
    ("_increment", "t + place * h", "t", check_order),
    ("_increment", "slopes[-1][0] if slopes", "slopes[0][0] if slopes", check_order),
    ("transport", "expansion + more", "more", check_linear_density),
    ("transport", "expansion + more", "expansion - more", check_linear_density),
    ("_increment", "h * sum(", "abs(h) * 1.01 * sum(", check_linear_density),
    ("with_trace", "flatten(1)[:, i] for", "flatten(1)[:, 0] for", check_trace),
    ("with_trace", "(_derivative(v, x, e) * e)", "_derivative(v, x, e)", check_estimated_trace),
    ("with_trace", ".mean(0)", ".sum(0) * 2", check_estimated_trace),
    ("richardson", " - 1)", ")", check_richardson),
]
CHECKS = (check_order, check_linear_density, check_trace, check_estimated_trace, check_richardson)


@pytest.mark.parametrize("check", CHECKS)
def test_known_answers(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("function", "before", "after", "check"), MUTANTS)
def test_a_wrong_line_is_noticed(
    function: str, before: str, after: str, check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noticed(check, monkeypatch, runge_kutta, function, before, after)
