import math

import pytest
import torch

from veridical.nn.fourier import FourierFeatures


def test_features_are_the_input_its_sines_and_its_cosines() -> None:
    torch.manual_seed(0)
    features = FourierFeatures(3, octaves=2, per_octave=5)
    x = torch.randn(7, 3)
    plain, sine, cosine = features(x).split([3, 10, 10], dim=1)
    torch.testing.assert_close(plain, x)
    torch.testing.assert_close(sine.square() + cosine.square(), torch.ones(7, 10))
    torch.testing.assert_close(torch.atan2(sine, cosine).cos(), (x @ features.frequencies).cos())
    assert features.out_dim == 23 and not list(features.parameters())
    assert "frequencies" in features.state_dict()  # a loaded model sees what it learned on


@pytest.mark.parametrize("dim", [1, 2, 50])
def test_phases_double_from_octave_to_octave_whatever_the_dimension(dim: int) -> None:
    torch.manual_seed(0)
    features = FourierFeatures(dim, octaves=4, per_octave=4000)
    # The phase of x ~ N(0, I) has standard deviation 2^octave; 4000 dim squares of normals give it to 2 %.
    scale = features.frequencies.reshape(dim, 4, 4000).square().sum(0).mean(1).sqrt()
    torch.testing.assert_close(scale, 2.0 ** torch.arange(4), rtol=5 * math.sqrt(0.5 / 4000 / dim) + 1e-6, atol=0)


def test_no_octaves_leave_the_input() -> None:
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(FourierFeatures(2, octaves=0)(x), x)
