import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from veridical.nn.spectral import (
    UnitSpectralNorm,
    as_matrix,
    largest,
    normalize_spectrum,
    top_singular_values,
    weighted_layers,
)

METHODS = ["exact", "power"]
TIGHT = {"exact": 1e-5, "power": 1e-3}  # relative; what `TOLERANCE` promises for power iterations


class Layers(nn.Module):
    """One of every kind, with a weight that begins at zero."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(10, 8)
        self.linear = nn.Linear(8, 3 * 16)
        self.conv = nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular")
        self.up = nn.ConvTranspose2d(6, 5, 4, stride=2, padding=1)
        self.zero = nn.Conv2d(5, 2, 1)
        nn.init.zeros_(self.zero.weight)

    def forward(self, c: Tensor) -> Tensor:
        return self.zero(self.up(self.conv(self.linear(self.embed(c)).reshape(-1, 3, 4, 4))))


def norms(network: nn.Module) -> dict[str, float]:
    """By a decomposition that the code under test does not use."""
    found = {}
    for name, layer in weighted_layers(network):
        weight: Tensor = layer.weight.detach()  # type: ignore[assignment]
        matrix = weight.transpose(0, 1).flatten(1) if isinstance(layer, nn.ConvTranspose2d) else weight.flatten(1)
        found[name] = float(torch.linalg.matrix_norm(matrix, ord=2))
    return found


def assert_unit(network: nn.Module, method: str) -> None:
    found = norms(network)
    assert len(found) == 5
    assert all(abs(sigma - 1) < TIGHT[method] for sigma in found.values()), found


def learn(network: nn.Module, steps: int = 5, lr: float = 0.05) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr)
    for step in range(steps):
        optimizer.zero_grad()
        network(torch.arange(10)).add(step % 2).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("method", METHODS)
def test_every_layer_has_norm_one_from_the_start_and_after_every_update(method: str) -> None:
    network = normalize_spectrum(Layers(), method)  # type: ignore[arg-type]
    assert_unit(network, method)
    for _ in range(5):
        learn(network, steps=1, lr=0.3)  # far larger steps than any training takes
        assert_unit(network.train(), method)
        assert_unit(network.eval(), method)
        network.train()


@pytest.mark.parametrize("method", METHODS)
def test_the_norm_is_one_after_copying_loading_and_averaging(method: str) -> None:
    network, other = normalize_spectrum(Layers(), method), normalize_spectrum(Layers(), method)  # type: ignore[arg-type]
    learn(network)
    twin = copy.deepcopy(network)
    assert_unit(twin, method)
    learn(twin)
    assert_unit(twin, method)
    other.load_state_dict(twin.state_dict())
    assert_unit(other, method)
    assert torch.equal(other.eval()(torch.arange(10)), twin.eval()(torch.arange(10)))
    with torch.no_grad():  # as an average of weights does: buffers of vectors are averaged too
        for a, b in zip(other.state_dict().values(), network.state_dict().values(), strict=True):
            a.lerp_(b, 0.5)
    assert_unit(other, method)


@pytest.mark.parametrize("method", METHODS)
def test_evaluation_and_repetition_change_no_buffer(method: str) -> None:
    network = normalize_spectrum(Layers(), method)  # type: ignore[arg-type]
    learn(network)
    c = torch.arange(10)
    first = network(c)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert torch.equal(network(c), first)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    network.eval()(c)
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, before[name]), name


@pytest.mark.parametrize("method", METHODS)
def test_safetensors_keep_it(method: str, tmp_path) -> None:
    network, other = normalize_spectrum(Layers(), method), normalize_spectrum(Layers(), method)  # type: ignore[arg-type]
    learn(network)
    save_file(dict(network.state_dict()), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(network.eval()(torch.arange(10)), other.eval()(torch.arange(10)))


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_arithmetic_leaves_the_norm_alone(method: str) -> None:
    network = normalize_spectrum(Layers(), method)  # type: ignore[arg-type]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network.conv.weight.dtype == torch.float32  # type: ignore[union-attr]
        assert_unit(network, method)
        network(torch.arange(10)).float().sum().backward()


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_that_of_the_ratio(method: str) -> None:
    """Finite differences of W / σ(W), and Miyato et al. (2018), Eq. 11."""
    torch.manual_seed(1)
    weight = torch.randn(4, 6, dtype=torch.float64)
    norm = UnitSpectralNorm(weight, method=method).eval()  # type: ignore[arg-type]
    u, sigma, vt = torch.linalg.svd(weight)
    cotangent = torch.randn(4, 6, dtype=torch.float64)
    w = weight.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((norm(w) * cotangent).sum(), w)
    bar = weight / sigma[0]
    expected = (cotangent - (cotangent * bar).sum() * torch.outer(u[:, 0], vt[0])) / sigma[0]
    rtol = 1e-9 if method == "exact" else 2e-3
    torch.testing.assert_close(gradient, expected, rtol=rtol, atol=rtol)
    if method == "exact":
        assert torch.autograd.gradcheck(norm, w)


def test_two_largest_values_may_change_places() -> None:
    """Power iteration on one vector would stay at the old one, of which it is an exact fixed point."""
    first, second = torch.diag(torch.tensor([2.0, 1.0, 0.5])), torch.diag(torch.tensor([2.0, 4.0, 0.5]))
    norm = UnitSpectralNorm(first, method="power")
    assert float(norm(second).max()) == pytest.approx(1.0, abs=1e-3)


def test_large_matrices_meet_the_stated_tolerance_and_track_updates() -> None:
    torch.manual_seed(0)
    weight = torch.randn(200, 900)
    norm = UnitSpectralNorm(weight)
    assert not norm.exact
    for _ in range(3):
        weight = weight + 0.03 * torch.randn_like(weight)
        sigma = float(torch.linalg.matrix_norm(norm(weight), ord=2))
        assert 1 - 1e-5 < sigma < 1 + 1e-3
        assert sigma < 1 + 1e-4  # what is typical


def test_normalised_layers_stay_as_they_are_and_zero_is_refused() -> None:
    network = normalize_spectrum(Layers())
    names = [name for name, _ in network.named_parameters()]
    assert [name for name, _ in normalize_spectrum(network).named_parameters()] == names
    with pytest.raises(ValueError, match="weight is all zero"):
        UnitSpectralNorm(torch.zeros(2, 3))


def test_top_singular_values_are_those_of_a_decomposition() -> None:
    network = Layers()
    normalize_spectrum(network.conv)
    top = top_singular_values(network, 4)
    assert list(top) == ["embed", "linear", "conv", "up", "zero"]
    for name, layer in weighted_layers(network):
        weight: Tensor = layer.weight.detach()  # type: ignore[assignment]
        matrix = weight.transpose(0, 1).flatten(1) if name == "up" else weight.flatten(1)
        expected = torch.linalg.svdvals(matrix.double())[:4].float()
        torch.testing.assert_close(top[name], expected, rtol=1e-5, atol=1e-7)
        assert not top[name].requires_grad
    assert float(top["conv"][0]) == pytest.approx(1, abs=1e-5)


def test_block_power_iterations_give_the_same_values() -> None:
    torch.manual_seed(0)
    for matrix in (torch.randn(80, 300), torch.randn(300, 80) @ torch.diag(0.9 ** torch.arange(80.0))):
        expected = torch.linalg.svdvals(matrix)[:3]
        torch.testing.assert_close(largest(matrix, 3, exact=1), expected, rtol=1e-3, atol=0)
        torch.testing.assert_close(largest(matrix, 3), expected, rtol=1e-5, atol=0)


def test_watching_draws_no_random_numbers_and_needs_a_number() -> None:
    network = Layers()
    before = torch.get_rng_state()
    top_singular_values(network, 2)
    assert torch.equal(before, torch.get_rng_state())
    assert largest(torch.randn(2, 9), 5).shape == (2,)
    with pytest.raises(ValueError, match="k is 0"):
        top_singular_values(network, 0)


def test_matrices_keep_every_element() -> None:
    weight = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert torch.equal(as_matrix(weight), weight.reshape(2, 12))
    assert torch.equal(
        as_matrix(weight, transposed=True)[1], torch.cat([weight[0, 1].flatten(), weight[1, 1].flatten()])
    )
