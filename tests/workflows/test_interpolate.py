"""Ways between examples, as pictures and arrays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config import DataConfig
from veridical.config.families.flow import FlowConfig
from veridical.config.families.gan import GANConfig
from veridical.config.families.pixelcnn import PixelCNNConfig
from veridical.config.families.vae import VAEConfig
from veridical.config.reading import Reading
from veridical.data.dataset import ArrayData
from veridical.families.flow import Flow
from veridical.families.gan import GAN
from veridical.families.pixelcnn import PixelCNN
from veridical.families.vae import VAE
from veridical.model import Space
from veridical.workflows.interpolate import NoSuchRowError, between_examples, given, part, save, ways

SPACE = Space((1, 5, 5), levels=17, mean=0.0, std=0.5)


def data() -> ArrayData:
    levels = torch.randint(17, (7, 1, 5, 5), generator=torch.Generator().manual_seed(0))
    return ArrayData(levels / 8 - 1, space=SPACE, name="noise")


def model() -> VAE:
    torch.manual_seed(0)
    return VAE(VAEConfig(latent_dim=2, width=8), SPACE)


def test_a_picture_has_a_row_for_each_way_with_the_examples_at_its_ends(tmp_path: Path) -> None:
    vae, out = model(), tmp_path / "ways.png"
    decoded, x = ways(vae, data(), (3, 0, 6), steps=4)
    assert decoded.shape == (2, 4, 1, 5, 5)
    torch.testing.assert_close(x, data().batch(torch.tensor([3, 0, 6]), "cpu").x)
    save(decoded, x, vae, out)
    scale = 56 // 5
    with Image.open(out) as image:
        assert image.size == (6 * (5 * scale + 2) - 2, 2 * (5 * scale + 2) - 2)
    assert vae.training  # as it was


def test_an_array_holds_ways_and_ends(tmp_path: Path) -> None:
    vae, out = model(), tmp_path / "new" / "ways.npz"
    decoded, x = ways(vae, data(), (1, 2), steps=3)
    save(decoded, x, vae, out)
    found = np.load(out)
    assert found["x"].shape == (1, 3, 1, 5, 5) and found["ends"].shape == (2, 1, 5, 5)
    torch.testing.assert_close(torch.from_numpy(found["x"][0, 0]), decoded[0, 0])


def test_only_an_encoder_has_codes_of_held_out_examples() -> None:
    gan = GAN(GANConfig(network="mlp", width=8, latent_dim=2), SPACE)
    assert part(model(), "test") == "test" and part(model(), "train") == part(gan, "test") == "train"


def test_a_model_without_an_encoder_goes_from_sample_to_sample() -> None:
    torch.manual_seed(0)
    gan = GAN(GANConfig(network="mlp", width=8, latent_dim=2), SPACE)
    decoded, _ = ways(gan, data(), (4, 2), steps=3, seed=5)
    again, _ = ways(gan, data(), (4, 2, 4), steps=3, seed=5)
    torch.testing.assert_close(again[0], decoded[0])
    torch.testing.assert_close(again[1].flip(0), decoded[0])


def test_ways_between_files_begin_and_end_at_their_codes(tmp_path: Path) -> None:
    for name, value in (("a", 20), ("b", 220)):
        Image.fromarray(np.full((5, 5), value, np.uint8)).save(tmp_path / f"{name}.png")
    names, vae = [str(tmp_path / f"{name}.png") for name in "ab"], model()
    x = given(names, DataConfig(), vae, Reading(), lambda line: None)
    torch.testing.assert_close(x[:, 0, 0, 0], torch.tensor([20.0, 220.0]) / 127.5 - 1)
    way = between_examples(vae, x, steps=3)
    assert way.shape == (1, 3, 1, 5, 5)
    ends = vae.eval().decode(vae.posterior(x).mean).detach()
    torch.testing.assert_close(way[0, [0, 2]], ends)
    with pytest.raises(NoSuchRowError, match="there is 1 example"):
        between_examples(vae, x[:1])
    gan = GAN(GANConfig(network="mlp", width=8, latent_dim=2), SPACE)
    with pytest.raises(ValueError, match="GAN has no codes of given examples"):
        between_examples(gan, x)


def test_a_flow_passes_through_the_examples_themselves() -> None:
    torch.manual_seed(0)
    flow = Flow(FlowConfig(width=8, couplings=2), SPACE)
    assert part(flow, "test") == "test"
    decoded, x = ways(flow, data(), (1, 4), steps=3)
    torch.testing.assert_close(decoded[0, [0, 2]], x, rtol=0, atol=1e-4)


def test_without_rows_a_way_passes_through_the_first_five_or_all() -> None:
    assert ways(model(), data(), steps=2)[0].shape[0] == 4
    assert ways(model(), data().subset(torch.arange(3)), steps=2)[0].shape[0] == 2
    with pytest.raises(NoSuchRowError, match=r"rows are \[0\]; expected at least two"):
        ways(model(), data().subset(torch.arange(1)))


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(NoSuchRowError, match=r"rows are \[0, 7\]; this part of noise has the rows 0 to 6"):
        ways(model(), data(), (0, 7))
    with pytest.raises(ValueError, match="at least two"):
        ways(model(), data(), (3,))
    bits = Space((1, 3, 3), levels=2)
    with pytest.raises(ValueError, match="PixelCNN has no codes"):
        ways(PixelCNN(PixelCNNConfig(), bits), data(), (0, 1))
