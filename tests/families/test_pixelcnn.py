"""PixelCNN and Gated PixelCNN: every way to draw gives the same image, and the parts fit the base."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from veridical.config.families.autoregressive import METHODS, AutoregressiveSampling, Method
from veridical.config.families.pixelcnn import PixelCNNConfig
from veridical.families.autoregressive import Autoregressive
from veridical.families.pixelcnn import PixelCNN
from veridical.model import Batch, Space
from veridical.nn.gated_pixelcnn import GatedPixelCNN
from veridical.nn.pixelcnn import PlainPixelCNN
from veridical.noise import SampleNoise

BITS = Space((1, 4, 5), levels=2, classes=3)
LEVELS = Space((1, 4, 4), levels=17, classes=3, mean=-0.3, std=0.6)
COLOUR = Space((3, 3, 3), levels=256)
REAL = Space((1, 3, 3), support=None, levels=None, mean=3.0, std=2.0)

pytestmark = pytest.mark.usefixtures("double_precision")


def perturbed(model: Autoregressive) -> Autoregressive:
    """Return the model with every weight in use, those of labels too."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.5 / math.sqrt(max(parameter[0].numel(), 4)))
    return model.eval()


def build(space: Space, **choices: Any) -> PixelCNN:
    model = perturbed(PixelCNN(PixelCNNConfig(width=6, layers=2, first_kernel=3, components=2, **choices), space))
    assert isinstance(model, PixelCNN)
    return model


def assert_every_way_to_draw_agrees(model: Autoregressive, c: Tensor | None = None, n: int = 3) -> None:
    """Compare samples, running log-probabilities and completions of all methods, a second call, and one row alone."""

    def drawn(method: Method, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
        first, count = rows.start or 0, len(range(n)[rows])
        noise, options = SampleNoise(3, first, count), AutoregressiveSampling(method)
        return model.drawn(count, None if c is None else c[rows], noise=noise, options=options)[:2]

    x, log_p = drawn("naive")
    assert len(x.unique(dim=0)) == n
    for method in METHODS:
        for _ in range(2):
            other, nats = drawn(method)
            torch.testing.assert_close(other, x, rtol=0, atol=1e-9)
            torch.testing.assert_close(nats, log_p, rtol=0, atol=1e-8)
    torch.testing.assert_close(drawn("cached", slice(n - 1, n))[0], x[n - 1 :], rtol=0, atol=1e-9)
    if len(model.chains()) == 1 and (c is not None or not model.classes):
        torch.testing.assert_close(model.log_prob(x, c), log_p, rtol=0, atol=1e-8)
    assert_completions_agree(model, x, c)


def assert_completions_agree(model: Autoregressive, x: Tensor, c: Tensor | None) -> None:
    """Complete the first half of every sample in all ways."""
    known = torch.zeros(model.sites, dtype=torch.bool)
    known[model.order[: model.sites // 2]] = True
    known = known[None].expand(model.head.size, -1).reshape(model.space.shape)
    done = [
        model.complete(x, known, c, noise=SampleNoise(4, 0, len(x)), options=AutoregressiveSampling(method))
        for method in METHODS
    ]
    assert torch.equal(done[0][:, known], x[:, known]) and not torch.equal(done[0], x)
    for other in done[1:]:
        torch.testing.assert_close(other, done[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("network", ["gated", "plain"])
@pytest.mark.parametrize("space", [BITS, LEVELS, COLOUR, REAL], ids=["bits", "levels", "colour", "real"])
def test_every_way_to_draw_gives_the_same_images(network: str, space: Space) -> None:
    assert_every_way_to_draw_agrees(build(space, network=network))


@pytest.mark.parametrize("network", ["gated", "plain"])
def test_images_of_a_class_are_the_same_in_every_way(network: str) -> None:
    model = build(BITS, network=network, labels=True)
    assert_every_way_to_draw_agrees(model, torch.tensor([2, 0, 1]))
    x = torch.ones(2, *BITS.shape)
    assert model.log_prob(x, torch.tensor([0, 2])).unique().numel() == 2


@pytest.mark.parametrize("directions", [2, 8])
def test_images_of_several_directions_are_the_same_in_every_way(directions: int) -> None:
    model = build(BITS, directions=directions, labels=True)
    assert_every_way_to_draw_agrees(model, torch.tensor([2, 0, 1]))


@pytest.mark.parametrize(("space", "directions"), [(LEVELS, 4), (BITS, 8), (BITS, 2)], ids=["square", "oblong", "two"])
def test_directions_are_averaged_in_probability_and_mixed_in_training(space: Space, directions: int) -> None:
    model, c = build(space, directions=directions, labels=True), torch.arange(9) % 3
    level = torch.randint(space.levels or 0, (9, *space.shape))
    x = -1 + (space.bin_width or 0) * level
    nats = torch.stack([model.site_log_probs(chain, x, c).sum(1) for chain in model.chains()])  # (directions, 9)
    torch.testing.assert_close(model.log_prob(x, c), nats.logsumexp(0) - math.log(directions))
    expected = -nats[torch.arange(9) % directions, torch.arange(9)].mean()
    torch.testing.assert_close(model.loss(Batch(x, torch.arange(9), c), player="model", step=0).loss, expected)
    assert nats.std(0).max() > 0.001


def test_variants_are_their_networks() -> None:
    assert isinstance(build(BITS).pixels.network, GatedPixelCNN)
    assert isinstance(build(BITS, network="plain").pixels.network, PlainPixelCNN)


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"space has shape \(3,\); PixelCNN needs images"):
        PixelCNN(PixelCNNConfig(), Space((3,), kind="vector"))
