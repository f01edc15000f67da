"""Growing networks: what fading in, coarse-graining and codes at every scale must leave exactly unchanged."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.data.space import Space
from veridical.nn.adversarial import ToDataSpace, ToStandardUnits
from veridical.nn.progressive import (
    EqualizedConv2d,
    EqualizedLinear,
    Growth,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    build_pyramid,
    down,
    growth,
    pixel_norm,
)

NOISE, CODES = 3, 2
SIZES = [(1, 28, 28), (3, 16, 16), (1, 9, 12), (1, 8, 8), (2, 5, 5)]


def generator(shape: tuple[int, ...], upsampling: str = "nearest", kind: str = "image") -> ProgressiveGenerator:
    torch.manual_seed(0)
    space = Space(shape, kind=kind)  # type: ignore[arg-type]
    return ProgressiveGenerator(build_pyramid(space, 4, upsampling), NOISE, CODES, ToDataSpace(space))  # type: ignore[arg-type]


def discriminator(shape: tuple[int, ...], *, deviation: bool = False, kind: str = "image") -> ProgressiveDiscriminator:
    torch.manual_seed(1)
    space = Space(shape, kind=kind)  # type: ignore[arg-type]
    return ProgressiveDiscriminator(build_pyramid(space, 4), CODES, ToStandardUnits(space), deviation=deviation)


def latents(network: ProgressiveGenerator, n: int = 3) -> Tensor:
    return torch.randn(n, NOISE + CODES * (network.pyramid.last + 1), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("side", "sizes"),
    [(28, [7, 14, 28]), (32, [4, 8, 16, 32]), (64, [4, 8, 16, 32, 64]), (8, [4, 8]), (9, [5, 9]), (7, [7])],
)
def test_stages_of_an_image(side: int, sizes: list[int]) -> None:
    pyramid = build_pyramid(Space((1, side, side)), 8)
    assert [height for height, _ in pyramid.sizes] == sizes
    assert pyramid.channels[-1] == 8 and max(pyramid.channels) <= 32


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="vectors have no coarser"):
        build_pyramid(Space((2,), kind="vector", support=None, levels=None), 8)


def test_growth_is_half_fading_and_half_settled() -> None:
    grown = [growth(step, last=2, stage_steps=10) for step in range(40)]
    assert [g.stage for g in grown] == [0] * 10 + [1] * 10 + [2] * 20
    assert [g.alpha for g in grown[:10]] == [1.0] * 10
    assert [g.alpha for g in grown[10:20]] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1])
    assert all(g.alpha == 1 for g in grown[25:])
    assert growth(0, last=2, stage_steps=None) == Growth(2, 1.0)
    assert growth(1, last=1, stage_steps=1) == Growth(1, 1.0)


@pytest.mark.parametrize("shape", SIZES)
def test_halving_a_doubled_image_gives_it_back(shape: tuple[int, ...]) -> None:
    pyramid = build_pyramid(Space(shape), 4)
    for stage in range(1, pyramid.last + 1):
        x = torch.randn(2, shape[0], *pyramid.sizes[stage - 1])
        assert torch.equal(down(pyramid.up(x, stage)), x)
        assert pyramid.enlarge(x, stage - 1).shape == (2, *shape)
        assert pyramid.reduce(pyramid.enlarge(x, stage - 1), stage - 1).shape == x.shape


def test_coarse_images_keep_the_mean_of_every_region() -> None:
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    pyramid = build_pyramid(Space((3, 32, 32)), 4)
    for stage, (side, _) in enumerate(pyramid.sizes):
        torch.testing.assert_close(pyramid.reduce(x, stage), F.adaptive_avg_pool2d(x, side))
        torch.testing.assert_close(pyramid.reduce(x, stage).mean((2, 3)), x.mean((2, 3)))


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("shape", SIZES[:4])
def test_a_new_block_changes_nothing_at_first_and_everything_at_last(shape: tuple[int, ...], upsampling: str) -> None:
    network = generator(shape, upsampling)
    z, pyramid = latents(network), network.pyramid
    for stage in range(1, pyramid.last + 1):
        before = network(z, Growth(stage - 1, 1.0))
        assert before.shape == (3, shape[0], *pyramid.sizes[stage - 1])
        assert torch.equal(network(z, Growth(stage, 0.0)), pyramid.up(before, stage))
        half, full = network(z, Growth(stage, 0.5)), network(z, Growth(stage, 1.0))
        torch.testing.assert_close(half, (pyramid.up(before, stage) + full) / 2)
        nn.init.constant_(network.to_image[str(stage - 1)].weight, 5.0)  # type: ignore[arg-type]
        assert torch.equal(network(z, Growth(stage, 1.0)), full)
        assert not torch.equal(network(z, Growth(stage, 0.5)), half)


@pytest.mark.parametrize("shape", SIZES[:4])
def test_the_discriminator_fades_like_the_generator(shape: tuple[int, ...]) -> None:
    network = discriminator(shape)
    pyramid = network.pyramid
    for stage in range(1, pyramid.last + 1):
        x = torch.randn(3, shape[0], *pyramid.sizes[stage])
        before, full = network(down(x), Growth(stage - 1, 1.0)), network(x, Growth(stage, 1.0))
        assert before.shape == (3, 1)
        assert torch.equal(network(x, Growth(stage, 0.0)), before)
        nn.init.constant_(network.from_image[str(stage - 1)].weight, 5.0)  # type: ignore[arg-type]
        assert torch.equal(network(x, Growth(stage, 1.0)), full)
        assert not torch.equal(network(x, Growth(stage, 0.5)), full)


def test_real_images_fade_like_fakes() -> None:
    pyramid = build_pyramid(Space((1, 16, 16)), 4)
    x = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    assert torch.equal(pyramid.fade(x, Growth(2, 1.0)), x)
    torch.testing.assert_close(pyramid.fade(x, Growth(2, 0.0)), pyramid.up(down(x), 2))
    torch.testing.assert_close(
        down(pyramid.fade(x, Growth(2, 0.3))), down(x)
    )  # the coarse image is there from the start


@pytest.mark.parametrize("shape", SIZES[:4])
def test_fine_codes_are_hidden_from_coarse_images(shape: tuple[int, ...]) -> None:
    network = generator(shape)
    z, last = latents(network), network.pyramid.last
    for stage in range(last + 1):
        other = z.clone()
        other[:, NOISE + stage * CODES : NOISE + (stage + 1) * CODES] += 1.0
        for seen in range(last + 1):
            same = torch.equal(network(z, Growth(seen, 1.0)), network(other, Growth(seen, 1.0)))
            assert same == (seen < stage), (stage, seen)


def test_the_noise_reaches_every_stage() -> None:
    network = generator((1, 28, 28))
    z = latents(network)
    other = torch.cat([z[:, :NOISE] + 1, z[:, NOISE:]], 1)
    for stage in range(3):
        assert not torch.equal(network(z, Growth(stage, 1.0)), network(other, Growth(stage, 1.0)))


def test_codes_are_read_at_their_own_scale() -> None:
    network = discriminator((1, 28, 28))
    x = torch.randn(3, 1, 28, 28)
    for stage in range(3):
        mu, log_var = network.read(network.pyramid.reduce(x, stage), Growth(stage, 1.0))
        assert mu.shape == log_var.shape == (3, stage + 1, CODES)
    mu, _ = network.read(x, Growth(2, 1.0))
    nn.init.zeros_(network.conv.weight)  # the coarsest block; the finer ones read before it
    silent, _ = network.read(x, Growth(2, 1.0))
    assert torch.equal(silent[:, 1:], mu[:, 1:]) and not torch.equal(silent[:, 0], mu[:, 0])


def test_a_discriminator_without_codes_reads_none() -> None:
    space = Space((1, 8, 8))
    network = ProgressiveDiscriminator(build_pyramid(space, 4), 0, ToStandardUnits(space))
    with pytest.raises(ValueError, match="built without codes"):
        network.read(torch.zeros(2, 1, 8, 8), Growth(1, 1.0))


def test_equalised_layers_keep_the_variance_and_store_unit_weights() -> None:
    torch.manual_seed(0)
    dense, conv = EqualizedLinear(400, 300), EqualizedConv2d(60, 50, periodic=True)
    for weight in (dense.weight, conv.weight):
        # Standard error of a variance of n normal weights: sqrt(2 / n) <= 0.009; 5 of them.
        assert weight.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / weight.numel()))
    with torch.no_grad():
        # The mean square of the weights of every output, 1 +- 5 sqrt(2 / 120 000), is what the variance is.
        assert dense(torch.randn(2000, 400)).var().item() == pytest.approx(1.0, rel=0.03)
        assert conv(torch.randn(40, 60, 16, 16)).var().item() == pytest.approx(2.0, rel=0.05)


def test_equalised_layers_are_affine_maps_with_scaled_weights() -> None:
    dense, conv = EqualizedLinear(4, 3, gain=3.0).double(), EqualizedConv2d(2, 5).double()
    nn.init.normal_(conv.bias)
    x, image = torch.randn(6, 4, dtype=torch.float64), torch.randn(2, 2, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(dense(x), x @ dense.weight.T * 1.5)
    torch.testing.assert_close(conv(image), F.conv2d(image, conv.weight / 3, conv.bias, padding=1))


def test_pixels_are_normalised_over_features() -> None:
    h = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(pixel_norm(h), F.normalize(h, dim=1) * 6**0.5, rtol=1e-7, atol=0)


def test_examples_depend_on_each_other_only_through_the_deviation() -> None:
    x = torch.randn(4, 1, 8, 8)
    for deviation in (False, True):
        network = discriminator((1, 8, 8), deviation=deviation)
        alone, among = network(x[:2], Growth(1, 1.0)), network(x, Growth(1, 1.0))[:2]
        assert torch.allclose(alone, among, atol=1e-5) != deviation


def test_lattices_know_no_origin() -> None:
    network = discriminator((1, 8, 8), kind="lattice")
    nn.init.constant_(network.dense.weight, 1.0)  # a sum over sites; shifts by 2 commute with halving
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(network(x, Growth(1, 0.5)), network(x.roll((2, 4), (2, 3)), Growth(1, 0.5)))
