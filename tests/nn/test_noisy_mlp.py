"""The perceptrons of the semi-supervised GAN on MNIST: sizes, noise where it belongs, rows of direction and length."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from veridical.nn.noisy_mlp import HIDDEN_NOISE, GaussianNoise, NoisyTrunk, SoftplusGenerator, noisy_head
from veridical.nn.spectral import learned_weight, normalize_spectrum


def rows(layer: nn.Linear) -> tuple[nn.Parameter, nn.Parameter]:
    """Return (length, direction) of a layer's rows."""
    own = layer.parametrizations.weight  # type: ignore[union-attr, operator]
    return own.original0, own.original1  # type: ignore[union-attr, return-value]


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def test_the_widths_are_those_of_the_paper() -> None:
    trunk = NoisyTrunk(784)
    assert HIDDEN_NOISE == 0.5
    sizes = [(layer.in_features, layer.out_features) for layer in linear_layers(trunk)]
    assert sizes == [(784, 1000), (1000, 500), (500, 250), (250, 250), (250, 250)] and trunk.feature_dim == 250
    made = [(layer.in_features, layer.out_features) for layer in linear_layers(SoftplusGenerator(100, 784))]
    assert made == [(100, 500), (500, 500), (500, 784)]


def test_units_of_a_layer_have_the_variance_of_the_noise_below() -> None:
    """Of the example 0 the first layer, which sees no noise, is 0; a unit of the second is normal with |w|^2 / 4."""
    torch.manual_seed(0)
    trunk = NoisyTrunk(3, 4)
    first, second = linear_layers(trunk)[:2]
    units: list[torch.Tensor] = []

    def keep(_module: nn.Module, seen: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        units.extend([*seen, out])

    second.register_forward_hook(keep)
    n = 20_000
    trunk(torch.zeros(n, 3))
    noise, out = units
    assert first.bias is not None and not first.bias.any()
    expected = HIDDEN_NOISE**2 * second.weight.square().sum(1)
    # The relative standard error of a variance is sqrt(2 / n) = 1 %; five of them.
    assert ((out.var(0) - expected).abs() / expected).max() < 5 * (2 / n) ** 0.5
    assert ((noise.var(0) / HIDDEN_NOISE**2 - 1).abs()).max() < 5 * (2 / n) ** 0.5
    units.clear()
    trunk.eval()(torch.zeros(5, 3))
    assert not units[0].any(), "no noise but in training"


def test_the_first_layer_and_all_of_evaluation_are_without_noise() -> None:
    torch.manual_seed(0)
    trunk, head = NoisyTrunk(6, 8), noisy_head(nn.Linear(4, 3))
    x = torch.randn(5, 6)
    seen: list[torch.Tensor] = []
    linear_layers(trunk)[0].register_forward_hook(lambda _module, given, _out: seen.extend(given))
    assert not torch.equal(trunk(x), trunk(x)) and torch.equal(seen[0], x) and torch.equal(seen[1], x)
    h = trunk.eval()(x)
    assert torch.equal(h, trunk(x))
    assert not torch.equal(head(h), head(h)), "the last layer has noise on its input too"
    head.eval()
    torch.testing.assert_close(head(h), h @ linear_layers(head)[0].weight.T)
    assert sum(isinstance(module, GaussianNoise) for module in [*trunk.modules(), *head.modules()]) == 5


def test_a_row_is_a_length_times_a_direction() -> None:
    """A step on the direction turns the row: its gradient has no part along the row, whose length does nothing."""
    torch.manual_seed(0)
    head = noisy_head(nn.Linear(6, 3)).eval()
    length, direction = rows(linear_layers(head)[0])
    x = torch.randn(7, 6)
    y = head(x)
    y.square().sum().backward()
    assert direction.grad is not None
    torch.testing.assert_close((direction.grad * direction).sum(1), torch.zeros(3), atol=1e-5, rtol=0)
    with torch.no_grad():
        direction *= torch.tensor([[0.1], [3.0], [50.0]])
        torch.testing.assert_close(head(x), y)
        length *= 2
    torch.testing.assert_close(head(x), 2 * y)


def test_the_generator_normalises_before_softplus() -> None:
    torch.manual_seed(0)
    generator = SoftplusGenerator(5, 7, 11)
    kinds = [type(layer).__name__ for layer in generator.layers if type(layer).__name__ != "ParametrizedLinear"]
    assert kinds == ["Linear", "BatchNorm1d", "Softplus"] * 2
    assert all(layer.bias is None for layer in linear_layers(generator)[:2])
    assert generator(torch.randn(4, 5)).shape == (4, 7)


def test_spectral_norm_bounds_rows_of_a_length_too() -> None:
    torch.manual_seed(0)
    layer = linear_layers(noisy_head(nn.Linear(6, 3)))[0]
    direction = layer.parametrizations.weight.original1  # type: ignore[union-attr]
    assert learned_weight(layer) is direction
    normalize_spectrum(layer)
    assert torch.linalg.matrix_norm(layer.weight, ord=2).item() == pytest.approx(1, rel=1e-5)
    assert learned_weight(layer) is direction
    assert len(normalize_spectrum(layer).parametrizations.weight) == 2, "once is enough"  # type: ignore[arg-type]
