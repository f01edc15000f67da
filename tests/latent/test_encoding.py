"""Codes of examples, for every kind of model that has them."""

import pytest
import torch
from tests.mutants import mutated

from veridical.config.families.autoencoder import AutoencoderConfig
from veridical.config.families.flow import FlowConfig
from veridical.config.families.glo import GLOConfig
from veridical.config.families.hierarchical_vae import HierarchicalVAEConfig
from veridical.config.families.infogan import InfoGANConfig
from veridical.config.families.made import MADEConfig
from veridical.config.families.vae import VAEConfig
from veridical.data.dataset import ArrayData
from veridical.families.autoencoder import Autoencoder
from veridical.families.flow import Flow
from veridical.families.glo import GLO
from veridical.families.hierarchical_vae import HierarchicalVAE
from veridical.families.infogan import InfoGAN
from veridical.families.made import MADE
from veridical.families.vae import VAE
from veridical.latent import encoding
from veridical.latent.encoding import NoCodesError, encode, encodes
from veridical.model import Facts, GenerativeModel, Space

GREY = Space((1, 4, 4), levels=17, mean=-0.4, std=0.75)
N = 7


def examples() -> torch.Tensor:
    return torch.randint(17, (N, 1, 4, 4), generator=torch.Generator().manual_seed(0)) / 8 - 1


def data() -> ArrayData:
    return ArrayData(examples(), space=GREY)


def vae() -> VAE:
    torch.manual_seed(0)
    return VAE(VAEConfig(latent_dim=2, width=8), GREY)


def test_an_encoder_gives_the_mean_and_the_width_of_its_posterior() -> None:
    model = vae()
    found, q = encode(model, data()), model.eval().posterior(examples())
    torch.testing.assert_close(found["z"], q.mean.detach())
    torch.testing.assert_close(found["std"], q.stddev.detach())
    levels = HierarchicalVAE(HierarchicalVAEConfig(upper_dim=2, lower_dim=3, width=8), GREY)
    assert {name: codes.shape for name, codes in encode(levels, data()).items()} == {"z": (N, 5), "std": (N, 5)}


def test_a_code_that_is_computed_has_no_width() -> None:
    model = Autoencoder(AutoencoderConfig(latent_dim=2, width=8), Facts(GREY, N))
    found = encode(model, examples())
    assert set(found) == {"z"}
    torch.testing.assert_close(found["z"], model.encode(examples()).detach())


def test_the_code_of_a_flow_is_decoded_to_the_example() -> None:
    torch.manual_seed(0)
    flow = Flow(FlowConfig(width=8, couplings=2), GREY)
    torch.testing.assert_close(flow.decode(encode(flow, data())["z"]).detach(), examples(), rtol=0, atol=1e-4)


def test_a_gan_gives_the_codes_that_it_reads_by_name() -> None:
    model = InfoGAN(InfoGANConfig(network="mlp", width=8, latent_dim=2), GREY)
    found = encode(model, data())
    assert {name: codes.shape for name, codes in found.items()} == dict.fromkeys(model.read_codes(examples()), (N,))


def test_a_model_without_an_encoder_has_the_codes_of_its_training_examples() -> None:
    glo = GLO(GLOConfig(latent_dim=3, width=8), Facts(GREY, N))
    torch.testing.assert_close(encode(glo, data(), training=True)["z"], glo.codes.detach())
    with pytest.raises(NoCodesError, match=r"codes of its training examples alone.*veridical encode RUN"):
        encode(glo, data())
    with pytest.raises(NoCodesError, match="row 13 has no code; this model has codes of 7 examples"):
        encode(glo, torch.cat([examples(), examples()]), training=True)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_the_number_of_examples_encoded_together_does_not_matter(size: int) -> None:
    model = vae()
    torch.testing.assert_close(encode(model, data(), batch=size), encode(model, examples()))


def test_the_mode_of_the_model_stays_what_it_was() -> None:
    levels = HierarchicalVAE(HierarchicalVAEConfig(upper_dim=2, lower_dim=3, width=8, dropout=0.5), GREY)
    torch.testing.assert_close(encode(levels, data()), encode(levels, data()))
    assert levels.training


def test_models_without_codes_say_which_have_them() -> None:
    made = MADE(MADEConfig(width=8), GREY)
    with pytest.raises(NoCodesError, match=r"MADE has no codes of given examples.*veridical train vae"):
        encode(made, data())
    assert [encodes(model) for model in (made, vae())] == [False, True]


def test_other_examples_are_refused() -> None:
    model: GenerativeModel = vae()
    with pytest.raises(ValueError, match=r"x has shape \(2, 1, 5, 5\)"):
        encode(model, torch.zeros(2, 1, 5, 5))
    with pytest.raises(NoCodesError, match="no examples to encode"):
        encode(model, torch.zeros(0, 1, 4, 4))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"z": q.mean', '"z": q.sample()'),
        ('"std": q.stddev', '"std": q.variance'),
    ],
)
def test_a_draw_or_another_width_is_noticed(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "codes_of_batch", mutated(encoding.codes_of_batch, old, new))
    with pytest.raises(AssertionError):
        test_an_encoder_gives_the_mean_and_the_width_of_its_posterior()
