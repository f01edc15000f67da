import pytest
import torch
from torch import nn

from veridical.nn.orthogonal import orthogonal_penalties, orthogonal_penalty, start_orthogonal
from veridical.nn.spectral import as_matrix, normalize_spectrum


def test_the_gradient_is_the_closed_form() -> None:
    torch.manual_seed(0)
    w = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(orthogonal_penalty(w), w)
    off = (w @ w.T * (1 - torch.eye(5))).detach()
    torch.testing.assert_close(orthogonal_penalty(w), off.square().sum())
    torch.testing.assert_close(gradient, 4 * off @ w.detach())
    assert torch.autograd.gradcheck(orthogonal_penalty, w)


def test_orthogonal_rows_of_any_length_cost_nothing() -> None:
    q = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q[:5]
    lengths = torch.tensor([0.1, 1.0, 2.0, 3.0, 50.0])[:, None]
    assert float(orthogonal_penalty(lengths * q)) == pytest.approx(0, abs=1e-18)


@pytest.mark.parametrize(
    "layer", [nn.Linear(9, 4), nn.Linear(4, 9), nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(6, 4, 4, stride=2)]
)
def test_weights_start_orthogonal(layer: nn.Module) -> None:
    torch.manual_seed(0)
    start_orthogonal(layer)
    matrix = as_matrix(layer.weight.detach(), isinstance(layer, nn.ConvTranspose2d))  # type: ignore[arg-type, union-attr]
    torch.testing.assert_close(torch.linalg.svdvals(matrix), torch.ones(min(matrix.shape)))
    assert not layer.bias.any()  # type: ignore[operator, union-attr]


def test_a_network_pays_for_all_its_layers_but_embeddings() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    parts = [orthogonal_penalty(network[i].weight) for i in (1, 3)]  # type: ignore[arg-type]
    total = orthogonal_penalties(network)
    torch.testing.assert_close(total, parts[0] + parts[1])
    normalised = orthogonal_penalties(normalize_spectrum(network))  # of the same parameters
    torch.testing.assert_close(normalised, total)
    normalised.backward()
    with pytest.raises(ValueError, match="no linear layer"):
        orthogonal_penalties(nn.BatchNorm1d(4))
