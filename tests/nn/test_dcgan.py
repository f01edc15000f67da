import pytest
import torch
from torch import nn

from veridical.data.space import Space
from veridical.nn.dcgan import DCGANGenerator, DCGANTrunk, Form, start_small
from veridical.nn.normalization import ReferenceBatch, replace_batch_norm

FORMS: tuple[Form, ...] = ("paper", "common")


def discriminator_of(space: Space, width: int = 64, form: Form = "common") -> nn.Sequential:
    """The trunk and one logit, as `nn.adversarial.build_discriminator` puts them together."""
    trunk = DCGANTrunk(space, width, form)
    head = nn.Linear(trunk.feature_dim, 1, bias=False)
    start_small(head)
    return nn.Sequential(trunk, head, nn.Flatten(0))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_of_the_common_implementation() -> None:
    # github.com/pytorch/examples, dcgan/main.py: netG and netD at 64x64.
    space = Space((3, 64, 64))
    assert count(DCGANGenerator(space)) == 3_576_704
    assert count(discriminator_of(space)) == 2_765_568


def test_parameter_counts_of_the_paper_by_hand() -> None:
    # github.com/Newmu/dcgan_code, faces/train_uncond_dcgan.py: the lists gen_params and discrim_params.
    space, n, k = Space((3, 64, 64)), 128, 5 * 5
    generator = 100 * (8 * n * 16) + 2 * (8 * n * 16)  # gw, gg, gb
    generator += 8 * n * 4 * n * k + 2 * 4 * n  # gw2, gg2, gb2
    generator += 4 * n * 2 * n * k + 2 * 2 * n
    generator += 2 * n * n * k + 2 * n
    generator += n * 3 * k  # gwx
    assert generator == 18_885_760
    with torch.device("meta"):
        assert count(DCGANGenerator(space, 100, n, "paper")) == generator
    discriminator = 3 * n * k  # dw
    discriminator += n * 2 * n * k + 2 * 2 * n  # dw2, dg2, db2
    discriminator += 2 * n * 4 * n * k + 2 * 4 * n
    discriminator += 4 * n * 8 * n * k + 2 * 8 * n
    discriminator += 8 * n * 4 * 4  # dwy
    assert discriminator == 17_232_768
    with torch.device("meta"):
        assert count(discriminator_of(space, n, "paper")) == discriminator


def test_the_grids_of_figure_1() -> None:
    with torch.device("meta"):
        generator = DCGANGenerator(Space((3, 64, 64)), 100, 128, "paper")
        h, grids = torch.empty(2, 100), []
        for layer in generator.layers:
            h = layer(h)
            if isinstance(layer, nn.Unflatten | nn.ConvTranspose2d):
                grids.append(tuple(h.shape[1:]))
        assert grids == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
        maps = DCGANTrunk(Space((3, 64, 64)), 128, "paper").maps(torch.empty(2, 3, 64, 64))
        assert [tuple(h.shape[1:]) for h in maps] == [(128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4)]


@pytest.mark.parametrize("form", FORMS)
def test_batch_norm_is_everywhere_but_at_the_output_of_g_and_the_input_of_d(form: Form) -> None:
    space = Space((3, 64, 64))
    generator = list(DCGANGenerator(space, 7, 2, form).layers)
    kinds = [type(layer).__name__.rstrip("12d") for layer in generator if not isinstance(layer, nn.Unflatten)]
    weights = "ConvTranspose" if form == "common" else "Linear"
    assert kinds == [weights, "BatchNorm", "ReLU", *["ConvTranspose", "BatchNorm", "ReLU"] * 3, "ConvTranspose"]
    stages = [[type(layer).__name__ for layer in stage.children()] for stage in DCGANTrunk(space, 2, form).stages]
    assert stages == [["Conv2d", "LeakyReLU"], *[["Conv2d", "BatchNorm2d", "LeakyReLU"]] * 3]
    assert all(m.negative_slope == 0.2 for m in DCGANTrunk(space, 2, form).modules() if isinstance(m, nn.LeakyReLU))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("side", "features"), [(64, 8 * 4 * 16), (32, 4 * 4 * 16), (28, 2 * 4 * 49)])
def test_shapes(side: int, features: int, form: Form) -> None:
    space = Space((1, side, side))
    x = DCGANGenerator(space, latent_dim=7, width=4, form=form)(torch.randn(3, 7))
    assert x.shape == (3, 1, side, side)
    assert discriminator_of(space, width=4, form=form)(x).shape == (3,)
    trunk = DCGANTrunk(space, width=4, form=form)
    assert trunk.feature_dim == features and trunk(x).shape == (3, features)


@pytest.mark.parametrize("form", FORMS)
def test_weights_start_as_in_the_paper(form: Form) -> None:
    torch.manual_seed(0)
    space = Space((3, 64, 64))
    for network in (DCGANGenerator(space, width=32, form=form), discriminator_of(space, width=32, form=form)):
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                assert module.bias is None
                # Of 1,536 weights or more the deviation is known to 2 %; five of these.
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert not module.bias.any()


def test_a_head_with_an_offset_starts_at_zero() -> None:
    head = nn.Linear(400, 3)
    start_small(head)
    assert not head.bias.any() and head.weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("form", FORMS)
def test_networks_work_with_virtual_batch_normalisation(form: Form) -> None:
    torch.manual_seed(0)
    space = Space((1, 28, 28))
    generator = ReferenceBatch(replace_batch_norm(DCGANGenerator(space, 7, 4, form), "virtual"), torch.randn(5, 7))
    trunk = ReferenceBatch(replace_batch_norm(DCGANTrunk(space, 4, form), "virtual"), shape=space.shape, size=5)
    x = generator(torch.randn(3, 7))
    assert x.shape == (3, 1, 28, 28) and trunk(x).shape == (3, 8 * 49)


@pytest.mark.parametrize("shape", [(3, 30, 30), (3, 64, 32), (2,)])
def test_other_sizes_are_refused_with_a_way_out(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='network = "conv"'):
        DCGANGenerator(Space(shape, kind="vector"))
