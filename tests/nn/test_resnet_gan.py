import pytest
import torch
import torch.nn.functional as F
from torch import nn

from veridical.data.space import Space
from veridical.nn.biggan import BigGANGenerator, BigGANTrunk
from veridical.nn.resnet_gan import (
    DiscriminatorBlock,
    GeneratorBlock,
    ResidualTrunk,
    SNGANGenerator,
    coarsest,
    generator_channels,
)
from veridical.nn.spectral import top_singular_values


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_of_the_known_implementation() -> None:
    # github.com/kwotsin/mimicry, nets/sngan/sngan_32.py: 4.277M and 1.054M.
    space = Space((3, 32, 32))
    assert count(SNGANGenerator(space, latent_dim=128, width=256)) == 4_276_739
    trunk = ResidualTrunk(space, width=128)
    assert count(trunk) + trunk.feature_dim + 1 == 1_053_825
    assert count(BigGANTrunk(space, width=128)) == count(trunk)


# github.com/ajbrock/BigGAN-PyTorch, BigGAN.py with G_shared, shared_dim 128, hier, no attention, 10 classes.
@pytest.mark.parametrize(
    ("side", "latents", "width", "trunk_width", "in_generator", "in_discriminator"),
    [(32, 80, 64, 64, 372_355, 265_409), (64, 100, 16, 8, 687_907, 307_609)],
)
def test_parameter_counts_of_the_authors_biggan(
    side: int, latents: int, width: int, trunk_width: int, in_generator: int, in_discriminator: int
) -> None:
    space = Space((3, side, side))
    assert count(BigGANGenerator(space, latents, width, classes=10)) == in_generator
    trunk = BigGANTrunk(space, trunk_width)
    assert count(trunk) + 11 * trunk.feature_dim + 1 == in_discriminator


def test_classes_add_their_gains_and_biases_alone() -> None:
    space = Space((3, 32, 32))
    more = count(SNGANGenerator(space, width=64, classes=10)) - count(SNGANGenerator(space, width=64))
    assert more == 3 * 2 * 2 * 64 * 9


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("side", [8, 12, 28, 32, 64])
@pytest.mark.parametrize("kind", [SNGANGenerator, BigGANGenerator])
def test_shapes(kind: type, side: int, classes: int | None) -> None:
    space = Space((1, side, side))
    c = None if classes is None else torch.tensor([0, 2])
    x = kind(space, latent_dim=11, width=2, classes=classes)(torch.randn(2, 11), c)
    assert x.shape == (2, 1, side, side) and x.isfinite().all()
    for trunk in (ResidualTrunk(space, width=2), BigGANTrunk(space, width=2)):
        assert trunk(x).shape == (2, trunk.feature_dim)


@pytest.mark.parametrize("kind", [SNGANGenerator, BigGANGenerator])
def test_every_parameter_learns_and_every_class_looks_different(kind: type) -> None:
    torch.manual_seed(0)
    network = kind(Space((1, 8, 8)), latent_dim=6, width=8, classes=3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("norm.gain", "norm.bias")):
                parameter.add_(0.1 * torch.randn_like(parameter))
    network(torch.randn(6, 6), torch.arange(6) % 3).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    with torch.no_grad():
        same = network.eval()(torch.randn(1, 6).expand(3, 6), torch.arange(3))
    assert float((same[0] - same[1]).abs().max()) > 1e-3


def test_skip_z_shows_every_block_its_own_part_of_the_code() -> None:
    torch.manual_seed(0)
    network = BigGANGenerator(Space((1, 16, 16)), latent_dim=7, width=8).eval()
    seen: list[torch.Tensor] = []
    for block in network.blocks:
        block.first_norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))  # type: ignore[union-attr]
    z = torch.randn(4, 7)
    network(z)
    assert network.parts == [3, 2, 2]
    assert torch.equal(seen[0], z[:, 3:5]) and torch.equal(seen[1], z[:, 5:])


def test_all_weights_of_biggan_but_the_embedding_have_norm_one() -> None:
    torch.manual_seed(0)
    network = BigGANGenerator(Space((1, 16, 16)), latent_dim=7, width=8, classes=3, shared_dim=5)
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    network(torch.randn(6, 7), torch.arange(6) % 3).square().mean().backward()
    optimizer.step()
    top = {name: float(values[0]) for name, values in top_singular_values(network, 1).items()}
    assert abs(top.pop("shared") - 1) > 1e-3
    assert len(top) == 2 + 2 * (3 + 4)
    assert all(value == pytest.approx(1, abs=1e-4) for value in top.values())


def test_trunk_weights_of_biggan_start_orthogonal() -> None:
    for values in top_singular_values(BigGANTrunk(Space((1, 16, 16)), width=8), 3).values():
        torch.testing.assert_close(values, torch.ones_like(values))


def test_shortcuts_are_those_of_the_paper_in_fewer_operations() -> None:
    """The paper doubles before the 1x1 convolution, and averages after it."""
    torch.manual_seed(0)
    h = torch.randn(2, 3, 8, 8)
    up = GeneratorBlock(3, 5, (nn.BatchNorm2d(3), nn.BatchNorm2d(5)))
    a = up.first(F.interpolate(up.first_norm(h).relu(), scale_factor=2))
    expected = up.last(up.last_norm(a).relu()) + up.shortcut(F.interpolate(h, scale_factor=2))
    torch.testing.assert_close(up(h), expected)
    down = DiscriminatorBlock(3, 5, down=True)
    expected = F.avg_pool2d(down.last(down.first(h.relu()).relu()) + down.shortcut(h), 2)
    torch.testing.assert_close(down(h), expected)
    flat = DiscriminatorBlock(3, 3, down=False)
    torch.testing.assert_close(flat(h), flat.last(flat.first(h.relu()).relu()) + h)


def test_features_are_sums_over_places() -> None:
    trunk, x = ResidualTrunk(Space((1, 16, 16)), width=4), torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(trunk(x), trunk.blocks(x).relu().sum((2, 3)))


def test_attention_changes_nothing_at_first_and_stands_where_it_is_asked() -> None:
    space = Space((1, 32, 32))
    for kind, side, blocks in ((BigGANGenerator, 16, 3), (BigGANTrunk, 16, 4)):
        torch.manual_seed(0)
        network = kind(space, width=8, attention=side).eval()
        assert sum("query" in name for name, _ in network.named_parameters()) == 1
        with pytest.raises(ValueError, match="attention is 5"):
            kind(space, width=8, attention=5)
        assert blocks


@pytest.mark.parametrize("space", [Space((3, 48, 64)), Space((1, 9, 9)), Space((2,), "vector"), Space((1, 5, 5))])
def test_other_images_are_refused_with_a_way_out(space: Space) -> None:
    for kind in (SNGANGenerator, ResidualTrunk, BigGANGenerator, BigGANTrunk):
        with pytest.raises(ValueError, match='choose network "conv"'):
            kind(space)
    with pytest.raises(ValueError, match="lattice"):
        coarsest(Space((1, 32, 32), "lattice"))


def test_labels_are_asked_for_and_refused() -> None:
    z = torch.randn(2, 8)
    for kind in (SNGANGenerator, BigGANGenerator):
        with pytest.raises(ValueError, match="c is missing"):
            kind(Space((1, 8, 8)), latent_dim=8, width=2, classes=3)(z)
        with pytest.raises(ValueError, match="without classes"):
            kind(Space((1, 8, 8)), latent_dim=8, width=2)(z, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="latent_dim is 3"):
        BigGANGenerator(Space((3, 32, 32)), latent_dim=3, width=2)
    assert generator_channels(Space((1, 28, 28)), 5) == [5, 5, 5]
