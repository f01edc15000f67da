"""Labels shown concatenate examples, and layers that automatic casting leaves alone."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from veridical.nn.discriminator import Discriminator, FullPrecision, LabelledGenerator, concatenate, one_hot


def test_labels_become_unit_vectors() -> None:
    c = torch.tensor([2, 0, 1])
    assert torch.equal(one_hot(c, 4, torch.float64), F.one_hot(c, 4).double())
    with pytest.raises(ValueError, match="built for 4 classes"):
        one_hot(None, 4, torch.float32)


def test_a_code_is_put_beside_images_as_constant_planes() -> None:
    x, code = torch.randn(2, 3, 4, 5), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    joined = concatenate(x, code)
    assert torch.equal(joined[:, :3], x)
    assert all(bool((joined[i, 3 + k] == code[i, k]).all()) for i in range(2) for k in range(2))
    assert torch.equal(concatenate(x[:, :, 0, 0], code), torch.cat([x[:, :, 0, 0], code], 1))


def test_a_discriminator_judges_features_of_the_example_in_standard_units_and_its_label() -> None:
    class Halve(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 2

    head = nn.Linear(5, 1, bias=False)
    nn.init.ones_(head.weight)
    model = Discriminator(Halve(), nn.Identity(), 5, head, classes=3)
    x = torch.tensor([[4.0, 6.0]])
    assert torch.equal(model.features(x, torch.tensor([1])), torch.tensor([[2.0, 3.0, 0.0, 1.0, 0.0]]))
    assert model(x, torch.tensor([1])).item() == 6.0


def test_a_generator_sees_the_label_after_the_code() -> None:
    network = nn.Linear(5, 1, bias=False)
    network.weight.data = torch.tensor([[1.0, 1.0, 10.0, 20.0, 30.0]])
    assert LabelledGenerator(network, 3)(torch.tensor([[2.0, 3.0]]), torch.tensor([2])).item() == 35.0


def test_full_precision_is_kept_inside_automatic_casting() -> None:
    layer, x = nn.Linear(64, 1), torch.randn(8, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kept, cast = FullPrecision(layer)(x), layer(x)
    assert kept.dtype is torch.float32 and cast.dtype is torch.bfloat16
    assert torch.equal(kept, layer(x)) and not torch.equal(cast.float(), layer(x))
