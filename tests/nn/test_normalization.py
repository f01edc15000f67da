import copy
from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor, nn

from veridical.nn.minibatch import MinibatchDiscrimination, MinibatchStdDev
from veridical.nn.normalization import KINDS, ReferenceBatch, batch_correlation, replace_batch_norm

ALONE = ("layer", "reference", "virtual")


def convolutional() -> nn.Sequential:
    """Two normalised convolutions, (B, 2, 6, 6) → (B, 3), in float64, with gains and offsets of their own."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3)
    )
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias)
    return network.append(nn.Flatten()).append(nn.Linear(12, 3)).double()


def alone(kind: str, reference: Tensor) -> nn.Module:
    network = replace_batch_norm(convolutional(), kind)
    return ReferenceBatch(network, reference) if kind in ("reference", "virtual") else network


def images(n: int, seed: int) -> Tensor:
    return torch.randn(n, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ALONE)
def test_an_output_is_independent_of_the_rest_of_the_batch_to_the_bit(kind: str) -> None:
    network, x = alone(kind, images(7, 1)), images(5, 2)
    other = torch.cat([x[:1], 3 + 10 * images(4, 3)])
    assert torch.equal(network(x)[0], network(other)[0])
    # That of batch normalisation is not.
    assert not torch.allclose(convolutional()(x)[0], convolutional()(other)[0], atol=0.1)


@pytest.mark.parametrize("virtual", [False, True])
def test_reference_norm_by_hand(virtual: bool) -> None:
    network = replace_batch_norm(
        nn.Sequential(nn.BatchNorm2d(2, eps=1e-3)).double(), "virtual" if virtual else "reference"
    )
    reference, x = 2 + 3 * images(4, 1), images(3, 2)
    found = ReferenceBatch(network, reference)(x)
    for i in range(3):
        for c in range(2):
            share = 1 / 5 if virtual else 0.0
            mean = share * x[i, c].mean() + (1 - share) * reference[:, c].mean()
            square = share * (x[i, c] ** 2).mean() + (1 - share) * (reference[:, c] ** 2).mean()
            expected = (x[i, c] - mean) / (square - mean**2 + 1e-3).sqrt()
            torch.testing.assert_close(found[i, c], expected, rtol=1e-12, atol=1e-12)


def test_virtual_norm_of_vectors_by_hand() -> None:
    network = replace_batch_norm(nn.Sequential(nn.BatchNorm1d(3, eps=1e-3)).double(), "virtual")
    reference, x = torch.randn(4, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    found = ReferenceBatch(network, reference)(x)
    for i in range(2):
        together = torch.cat([reference, x[i : i + 1]])  # each of the R + 1 counts the same
        expected = (x[i] - together.mean(0)) / (together.var(0, correction=0) + 1e-3).sqrt()
        torch.testing.assert_close(found[i], expected, rtol=1e-12, atol=1e-12)


def test_the_reference_batch_itself_is_batch_normalised() -> None:
    x = images(6, 1)
    torch.testing.assert_close(alone("reference", x)(x), convolutional()(x), rtol=1e-10, atol=1e-10)


def test_layer_norm_is_torch_layer_norm_with_gains_per_channel() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(2).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = images(3, 1)
    expected = nn.functional.layer_norm(x, (2, 6, 6)) * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(replace_batch_norm(norm, "layer")(x), expected, rtol=1e-10, atol=1e-10)


def test_gradients_flow_through_the_reference() -> None:
    network, x = alone("reference", images(4, 1)), images(3, 2)
    first: nn.Conv2d = network.network[0]  # type: ignore[assignment, index]
    # The first layer meets x = 0 as a constant; whatever depends on its weights comes by way of the reference.
    network(torch.zeros_like(x)).sum().backward()
    assert first.weight.grad is not None and first.weight.grad.abs().max() > 1e-3
    analytic, eps = first.weight.grad[0, 0, 0, 0].item(), 1e-6
    values = []
    with torch.no_grad():
        for sign in (1, -1):
            first.weight[0, 0, 0, 0] += sign * eps
            values.append(network(torch.zeros_like(x)).sum().item())
            first.weight[0, 0, 0, 0] -= sign * eps
    assert analytic == pytest.approx((values[0] - values[1]) / (2 * eps), rel=1e-5)


def test_the_first_batch_in_training_becomes_the_reference_and_stays() -> None:
    network = ReferenceBatch(replace_batch_norm(convolutional(), "virtual"), shape=(2, 6, 6), size=8).double()
    first, x = images(5, 1), images(3, 2)
    with pytest.raises(ValueError, match="pass a batch in training mode first"):
        network.eval()(x)
    network.train()(first)
    network(x)
    expected = alone("virtual", first)(x)
    assert torch.equal(network.eval()(x), expected)
    twin = copy.deepcopy(network)
    fresh = ReferenceBatch(replace_batch_norm(convolutional(), "virtual"), shape=(2, 6, 6), size=8).double()
    fresh.load_state_dict(network.state_dict())
    for other in (twin, fresh.eval()):
        assert torch.equal(other(x), expected)
    fresh.train()(x)  # what was loaded is not taken again
    assert torch.equal(fresh(x), expected)


def test_the_reference_is_cut_to_its_size_and_keeps_its_storage() -> None:
    network = ReferenceBatch(nn.Linear(2, 1), shape=(2,), size=4)
    before = network.reference
    x = torch.randn(6, 2, requires_grad=True)
    network(x)
    assert network.reference is before and torch.equal(before, x[:4].detach()) and int(network.count) == 4


def share_reference(rank: int, address: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    network = ReferenceBatch(nn.Linear(2, 1), shape=(2,), size=4)
    network(torch.full((3, 2), float(rank + 1)))
    assert torch.equal(network.reference, torch.tensor([1.0, 1.0, 1.0, 0.0])[:, None].expand(4, 2)), rank
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_share_the_reference_of_the_first(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(share_reference, args=(f"file://{tmp_path}/meet",), nprocs=2)


def test_what_mixes_examples_is_refused() -> None:
    for layer in (nn.BatchNorm1d(4), MinibatchStdDev(), MinibatchDiscrimination(4)):
        with pytest.raises(ValueError, match=f"1 \\({type(layer).__name__}\\)"):
            ReferenceBatch(nn.Sequential(nn.Linear(2, 4), layer), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"inside ReferenceBatch"):
        replace_batch_norm(convolutional(), "virtual")(images(3, 1))
    with pytest.raises(ValueError, match="either the reference batch, or the shape"):
        ReferenceBatch(nn.Linear(2, 1))
    with pytest.raises(ValueError, match="expected one of none, layer"):
        replace_batch_norm(convolutional(), "group")
    with pytest.raises(ValueError, match="affine=False"):
        replace_batch_norm(nn.BatchNorm1d(3, affine=False), "layer")


@pytest.mark.parametrize("kind", KINDS)
def test_replacing_leaves_no_batch_norm_and_keeps_gains(kind: str) -> None:
    network, original = replace_batch_norm(convolutional(), kind), convolutional()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    if kind != "none":
        assert torch.equal(network.get_parameter("1.weight"), original.get_parameter("1.weight"))
        assert torch.equal(network.get_parameter("4.bias"), original.get_parameter("4.bias"))


class Centre(nn.Module):
    """x minus the mean of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Same(nn.Module):
    """A share of the sum over the batch for everybody."""

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x + x.sum(0)


def test_batch_correlation_of_known_cases() -> None:
    torch.manual_seed(0)

    def draw(n: int) -> Tensor:
        return torch.randn(n, 50, dtype=torch.float64)

    independent = batch_correlation(nn.Identity(), draw, batch_size=4, batches=200)
    assert independent.companions == 0
    # 50 components, 200 batches of 4: s.e. of the correlation about sqrt(2/(4*3)/200/50) = 0.004; 5 of them.
    assert independent.correlation == pytest.approx(0, abs=0.02)
    # x - mean: variance (1 - 1/B) of which the companions make (B - 1)/B^2; correlation -1/(B - 1).
    centred = batch_correlation(Centre(), draw, batch_size=4, batches=200)
    assert centred.companions == pytest.approx(1 / 4, abs=0.02)
    assert centred.correlation == pytest.approx(-1 / 3, abs=1e-9)
    same = batch_correlation(Same(), draw, batch_size=4, batches=200)
    assert same.companions == pytest.approx(3 / 4, abs=0.03)
    assert same.correlation == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("kind", ALONE)
def test_cures_have_no_batch_correlation_and_batch_norm_has(kind: str) -> None:
    def draw(n: int) -> Tensor:
        return torch.randn(n, 2, 6, 6, dtype=torch.float64)

    torch.manual_seed(0)
    assert batch_correlation(alone(kind, images(6, 1)), draw, 6, 10).companions == 0
    normed = convolutional()
    before = copy.deepcopy(normed.state_dict())
    assert batch_correlation(normed, draw, 6, 10).companions > 0.02
    assert all(torch.equal(tensor, before[name]) for name, tensor in normed.state_dict().items())
    assert batch_correlation(normed.eval(), draw, 6, 10).companions == 0
