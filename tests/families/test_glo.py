"""GLO: codes that move alone and stay in the ball, a start from principal components, every example restored."""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.glo import GLOConfig
from veridical.config.sampling import CodeSampling
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.principal import principal_components
from veridical.families import glo
from veridical.families.glo import GLO, first_codes
from veridical.model import Batch, Facts, LatentVariable, Restorer, Sampler, Space, StartsFromData
from veridical.training.fit import State, fit

N = 12
FAST = OptimizerConfig(lr=3e-3, schedule="cosine")


def images(n: int = N) -> ArrayData:
    """Images of 8x8 with structure at every scale."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(n, 1, 8, 8, generator=random).cumsum(2).cumsum(3)
    return ArrayData(x / x.abs().amax())


def model_of(data: ArrayData, **choices: Any) -> GLO:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"latent_dim": 6, "width": 32, "network": "mlp", "optimizer": FAST} | choices
    return GLO(GLOConfig(**settings), Facts(data.space, len(data)))


def test_abilities() -> None:
    model = model_of(images())
    assert all(isinstance(model, ability) for ability in (Sampler, LatentVariable, Restorer, StartsFromData))


@pytest.mark.parametrize("codes", ["ball", "sphere"])
def test_rows_outside_the_batch_stay_to_the_bit(codes: str) -> None:
    data = images()
    model = model_of(data, codes=codes, start="random", code_lr=0.3)
    loader, state = Loader(data, 4), State(model, steps=20, ema=0.9)
    for step in range(20):
        before, state.steps = model.codes.detach().clone(), step + 1
        fit(state, loader, log_every=100)
        absent = torch.ones(N, dtype=torch.bool)
        absent[loader.batch(step).index] = False
        assert torch.equal(model.codes[absent], before[absent])
        assert (model.codes != before)[~absent].any(1).all()


@pytest.mark.parametrize("codes", ["ball", "sphere"])
def test_codes_are_projected_after_every_step(codes: str) -> None:
    data = images()
    model = model_of(data, codes=codes, code_lr=0.5)
    fit(State(model, steps=5), Loader(data, 4), log_every=5)
    norms = model.codes.detach().norm(dim=1)
    assert (norms <= 1 + 1e-6).all() and norms.max() > 1 - 1e-5
    if codes == "sphere":
        torch.testing.assert_close(norms, torch.ones(N))
        torch.testing.assert_close(model.prior(20).norm(dim=1), torch.ones(20))


def test_a_projection_keeps_the_direction_and_what_is_inside() -> None:
    model = model_of(images())
    z = torch.tensor([[0.1, 0.2, 0, 0, 0, 0], [3.0, 4.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]])
    expected = torch.tensor([[0.1, 0.2, 0, 0, 0, 0], [0.6, 0.8, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]])
    assert torch.equal(model.project(z)[[0, 2]], z[[0, 2]])
    torch.testing.assert_close(model.project(z), expected)


def test_it_starts_from_principal_components() -> None:
    data = images()
    model = model_of(data)
    model.start_from(data)
    scores = principal_components(data, 6).scores(data)
    assert abs(float(first_codes(data, 6).square().sum(1).mean()) - 0.25) < 1e-9
    inside = scores.norm(dim=1) < 2 * scores.square().sum(1).mean().sqrt()
    codes = model.codes.detach()[inside].double()
    ratio = torch.cdist(codes, codes) / torch.cdist(scores[inside], scores[inside])
    off = ~torch.eye(len(ratio), dtype=torch.bool)
    assert float(ratio[off].max() - ratio[off].min()) < 1e-4 * float(ratio[off].mean())


def test_a_start_from_random_codes_leaves_them() -> None:
    data = images()
    model = model_of(data, start="random")
    before = model.codes.detach().clone()
    model.start_from(data)
    assert torch.equal(model.codes, before)


def test_more_dimensions_than_components_are_nearly_empty() -> None:
    data = ArrayData(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))
    codes = first_codes(data, 5)
    assert codes.shape == (20, 5)
    assert codes[:, 3:].norm(dim=1).max() < 0.02 < codes[:, :3].norm(dim=1).median()


def test_it_restores_every_example() -> None:
    data = images()
    model = model_of(data, width=64, depth=1, code_lr=0.02)
    model.start_from(data)
    fit(State(model, steps=500), Loader(data, 6), log_every=500)
    batch = data.batch(torch.arange(N))
    assert model.fidelity(batch.x, model.restore(batch)).min() > 35
    drawn = model.sample(30, options=CodeSampling(codes="training"))
    assert (torch.cdist(drawn.flatten(1), batch.x.flatten(1)).amin(1) < 0.5).all()


def test_restored_examples_are_those_of_their_rows() -> None:
    model = model_of(images())
    rows = torch.tensor([5, 0])
    x = torch.zeros(2, 1, 8, 8)
    torch.testing.assert_close(model.restore(Batch(x, rows)), model.decode(model.codes[rows]))
    with pytest.raises(ValueError, match="highest row is 12"):
        model.restore(Batch(x, torch.tensor([3, N])))


def test_the_decoder_sees_numbers_of_order_one() -> None:
    seen = []

    class Watch(torch.nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            seen.append(z)
            return z.new_zeros(len(z), 1, 8, 8)

    torch.manual_seed(0)
    for dim in (4, 400):
        model = GLO(GLOConfig(latent_dim=dim, codes="sphere"), Facts(images().space, 50), decoder=Watch())
        model.decode(model.codes)
        assert float(seen[-1].detach().square().mean()) == pytest.approx(1.0, rel=1e-4)


def test_a_row_learns_at_its_own_rate() -> None:
    groups = model_of(images(), code_lr=0.07, reconstruction="gaussian").player_parameters("model")
    assert [group.get("lr") for group in groups] == [None, 10 * FAST.lr, 0.07] and groups[-1]["rows"]


def test_the_misfit_follows_the_data() -> None:
    vector = Space((3,), kind="vector", support=None, levels=None)
    assert GLO(GLOConfig(width=4), Facts(vector, 5)).misfit_name == "squared"
    assert model_of(images()).misfit_name == "laplacian"


def test_what_it_needs_is_asked_for() -> None:
    with pytest.raises(ValueError, match="number of examples is not known"):
        GLO(GLOConfig(), images().space)
    with pytest.raises(ValueError, match="5 examples; this model has 12 codes"):
        model_of(images()).start_from(images(5))


class Mutant(NamedTuple):
    """A wrong line of a method, and the test that notices it."""

    method: str
    before: str
    after: str
    test: Callable[..., None]
    arguments: tuple[str, ...] = ()


MUTANTS = {
    "codes are never projected": Mutant(
        "after_update", "self.codes.copy_(self.project(self.codes))", "pass",
        test_codes_are_projected_after_every_step, ("ball",),
    ),
    "a projection that is lost": Mutant(
        "after_update", "self.codes.copy_(self.project(self.codes))", "self.project(self.codes)",
        test_codes_are_projected_after_every_step, ("sphere",),
    ),
    "every row is divided by its norm": Mutant(
        "project", "torch.where(out, z / norm.clamp(min=1e-12), z)", "z / norm.clamp(min=1e-12)",
        test_a_projection_keeps_the_direction_and_what_is_inside,
    ),
    "an ordinary table": Mutant(
        "player_parameters", '"rows": True', '"rows": False', test_rows_outside_the_batch_stay_to_the_bit, ("ball",)
    ),
    "no scale of the codes": Mutant(
        "decoder_output", "math.sqrt(self.latent_dim) * z", "z", test_the_decoder_sees_numbers_of_order_one
    ),
    "random codes after all": Mutant(
        "start_from", 'self.config.start == "pca"', "False", test_it_starts_from_principal_components
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_test_finds_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    source = textwrap.dedent(inspect.getsource(vars(GLO)[mutant.method]))
    assert mutant.before in source
    namespace = dict(vars(glo))
    exec(source.replace(mutant.before, mutant.after), namespace)
    monkeypatch.setattr(GLO, mutant.method, namespace[mutant.method])
    with pytest.raises(AssertionError):
        mutant.test(*mutant.arguments)
