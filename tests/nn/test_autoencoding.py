"""Encoders and decoders have the sizes of data and code, and keep to data space."""

import pytest
import torch

from veridical.data.space import Space
from veridical.nn.autoencoding import Network, Restandardise, Standardise, decoder_network, encoder_network

SPACES = {
    "image": Space((2, 9, 8), mean=0.3, std=0.4),
    "vector": Space((3,), kind="vector", support=None, levels=None, mean=30.0, std=5.0),
    "thumbnail": Space((1, 5, 5)),
}


@pytest.mark.parametrize("kind", SPACES)
def test_an_encoder_and_a_decoder_fit_together(kind: str) -> None:
    space = SPACES[kind]
    x = space.mean + space.std * torch.randn(4, *space.shape)
    z = encoder_network(space, 7, "auto", 8, 1)(x)
    restored = decoder_network(space, 7, "auto", 8, 1)(z)
    assert z.shape == (4, 7) and restored.shape == x.shape
    if space.support is not None:
        low, high = space.support
        assert restored.min() >= low and restored.max() <= high


def test_logits_have_no_bounds() -> None:
    space = SPACES["thumbnail"]
    h = decoder_network(space, 2, "auto", 8, 1, logits=True)(100 * torch.randn(50, 2))
    assert h.abs().max() > 1


def test_standardised_data_have_mean_0_and_deviation_1() -> None:
    space = SPACES["vector"]
    x = Standardise(space)(space.mean + space.std * torch.tensor([[-1.0, 0.0, 2.0]]))
    torch.testing.assert_close(x, torch.tensor([[-1.0, 0.0, 2.0]]))
    torch.testing.assert_close(Restandardise(space)(x), space.mean + space.std * x)


@pytest.mark.parametrize(("network", "layers"), [("mlp", ["Linear"]), ("conv", ["Conv2d", "Linear"])])
def test_the_kind_of_network_can_be_chosen(network: Network, layers: list[str]) -> None:
    encoder = encoder_network(SPACES["image"], 2, network, 4, 2)
    found = {type(m).__name__ for m in encoder.modules() if type(m).__name__ in ("Conv2d", "Linear")}
    assert sorted(found) == layers


def test_convolutions_on_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match='network="mlp"'):
        encoder_network(SPACES["vector"], 2, "conv", 4, 2)
