import math

import pytest
import torch

from tests.mutants import mutated
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


def test_features_of_an_example_do_not_depend_on_those_beside_it() -> None:
    torch.manual_seed(0)
    features = FourierFeatures(8, octaves=5, per_octave=3, examples=4)
    alone = FourierFeatures(2, octaves=5, per_octave=3)
    alone.load_state_dict(features.state_dict())
    x = torch.randn(6, 4, 2)
    found = features(x.flatten(1))
    assert found.shape == (6, features.out_dim)
    torch.testing.assert_close(found, torch.cat([alone(x[:, i]) for i in range(4)], dim=1))
    x[:, 1] += 1.0
    moved = (features(x.flatten(1)) != found).view(6, 4, -1).any(-1)
    assert torch.equal(moved, torch.tensor([False, True, False, False]).expand(6, 4))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.examples > 1", "False"),
        ("(self.examples, -1)", "(-1, self.examples)"),
        (".flatten(-2)", ".mT.flatten(-2)"),
    ],
)
def test_features_that_mix_examples_are_noticed(monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> None:
    check = test_features_of_an_example_do_not_depend_on_those_beside_it
    wrong = mutated(FourierFeatures.forward, before, after)
    monkeypatch.setattr(FourierFeatures, "forward", wrong)
    with pytest.raises((AssertionError, RuntimeError)):
        check()


def test_features_of_all_examples_together_are_refused_with_the_reason() -> None:
    together = FourierFeatures(8, octaves=2).state_dict()
    with pytest.raises(RuntimeError, match="for 4 packed examples together"):
        FourierFeatures(8, octaves=2, examples=4).load_state_dict(together)
    FourierFeatures(8, octaves=2).load_state_dict(together)
