"""The t distribution against scipy and the F distribution of its squared radius, with mutants that miss them."""

import inspect

import numpy as np
import pytest
import scipy.stats
import torch

from veridical.targets import Student, heavy_tailed

FALSE_ALARM = 1e-4  # seeds are fixed


def test_density_is_that_of_scipy() -> None:
    law = Student(3, 4)
    x = 3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(law.log_prob(x), scipy.stats.multivariate_t(np.zeros(3), np.eye(3), df=4).logpdf(x))  # type: ignore[arg-type]


@pytest.mark.parametrize("law", [Student(1, 1), Student(3, 4), heavy_tailed()], ids=repr)
def test_entropy_is_that_of_scipy(law: Student) -> None:
    exact = scipy.stats.multivariate_t(np.zeros(law.dim), np.eye(law.dim), df=law.dof).entropy()  # type: ignore[arg-type]
    assert law.entropy().value == pytest.approx(float(exact), abs=1e-10)


def follows(law: Student) -> bool:
    """|x|^2 / d has the F distribution of d and nu degrees of freedom; false alarm 2e-4."""
    x = law.sample(20_000, torch.Generator().manual_seed(1), torch.float64)
    radius = scipy.stats.kstest(x.square().mean(1), scipy.stats.f(law.dim, law.dof).cdf).pvalue
    one = scipy.stats.kstest(x[:, 0], scipy.stats.t(law.dof).cdf).pvalue
    return min(radius, one) > FALSE_ALARM


@pytest.mark.parametrize("law", [Student(3, 2), heavy_tailed()], ids=repr)
def test_samples_follow_the_law(law: Student) -> None:
    assert follows(law)


MUTANTS = {
    "one u for each component": ("torch.randn(n, self.dof,", "torch.randn(n, self.dim, self.dof,"),
    "no square root": (".sqrt()[:, None]", "[:, None]"),
    "degrees of freedom forgotten": ("(u / self.dof)", "u"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_of_the_sampler_are_found(mutant: str) -> None:
    module = inspect.getmodule(Student)
    assert module is not None
    old, new = MUTANTS[mutant]
    source = inspect.getsource(module).replace(old, new)
    assert source != inspect.getsource(module)
    if mutant == "one u for each component":
        source = source.replace(".square().sum(1)", ".square().sum(2)").replace("[:, None])", ")")
    namespace: dict = {"__name__": "mutant"}
    exec(source, namespace)
    assert not follows(namespace["heavy_tailed"]())


@pytest.mark.parametrize("arguments", [(0, 5), (3, 0), (3, 2.5)])
def test_refusals(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Student(*arguments)


def test_points_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match="lives in 8 d"):
        heavy_tailed().log_prob(torch.zeros(4, 3))
