import pytest
import torch
from torch import nn

from veridical.nn.minibatch import BatchDependent, MinibatchDiscrimination, MinibatchStdDev, batch_dependent_layers


def test_minibatch_discrimination_by_naive_loops() -> None:
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(3, kernels=4, kernel_dim=2).double()
    nn.init.normal_(layer.log_scale)
    nn.init.normal_(layer.bias)
    x = torch.randn(5, 3, dtype=torch.float64)
    found = layer(x)
    assert torch.equal(found[:, :3], x)
    with torch.no_grad():
        for i in range(5):
            for k in range(4):
                total = layer.bias[k].item()
                for j in range(5):
                    distance = 0.0
                    for d in range(2):
                        column = layer.direction[:, k, d]
                        column = column / column.norm() * layer.log_scale[k, d].exp()
                        distance += abs(float(x[i] @ column) - float(x[j] @ column))
                    total += float(torch.exp(torch.tensor(-distance, dtype=torch.float64))) if j != i else 0.0
                assert found[i, 3 + k].item() == pytest.approx(total, rel=1e-10)


def test_minibatch_discrimination_tells_collapse_from_variety() -> None:
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(64)
    collapsed, varied = torch.randn(1, 64).expand(32, 64), torch.randn(32, 64)
    with torch.no_grad():
        torch.testing.assert_close(layer(collapsed)[:, 64:], torch.full((32, 100), 31.0 - 1.0))
        assert layer(varied)[:, 64:].mean() < 0.0  # the start is neither blind nor saturated: -1 if no companion counts
        assert layer(varied)[:, 64:].mean() > -0.95


def test_minibatch_discrimination_has_every_derivative_a_training_needs() -> None:
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(3, kernels=2, kernel_dim=2).double()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


@pytest.mark.parametrize(("group", "expected_groups"), [(None, 1), (2, 3), (3, 2), (4, 1), (100, 1)])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 3)])
def test_minibatch_deviation_by_naive_loops(group: int | None, expected_groups: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(7, *shape, dtype=torch.float64)
    found = MinibatchStdDev(group)(x)
    channels = shape[0]
    assert found.shape == (7, channels + 1, *shape[1:]) and torch.equal(found[:, :channels], x)
    members = [[i for i in range(7) if i % expected_groups == g] for g in range(expected_groups)]
    assert len(members) == expected_groups
    for own in members:
        deviations = [x[own].reshape(len(own), -1)[:, k].std(correction=0) for k in range(x[0].numel())]
        for i in own:
            torch.testing.assert_close(
                found[i, channels], torch.stack(deviations).mean().expand(shape[1:]), rtol=1e-6, atol=0
            )


def test_minibatch_deviation_of_equal_examples_is_zero_with_a_finite_gradient() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    found = MinibatchStdDev()(x)
    assert found[:, 3].abs().max() < 2e-4
    found.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("layer", [MinibatchDiscrimination(3), MinibatchStdDev(None)])
def test_permuting_the_batch_permutes_the_output(layer: BatchDependent) -> None:
    torch.manual_seed(0)
    x, order = torch.randn(6, 3), torch.randperm(6)
    torch.testing.assert_close(layer(x[order]), layer(x)[order])


def test_dependent_layers_are_found_and_named() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.BatchNorm1d(3), MinibatchDiscrimination(3)))
    assert batch_dependent_layers(network) == ["1.0 (BatchNorm1d)", "1.1 (MinibatchDiscrimination)"]
    assert batch_dependent_layers(nn.Sequential(nn.GroupNorm(1, 3), nn.Linear(3, 1))) == []


def test_groups_of_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        MinibatchStdDev(1)
