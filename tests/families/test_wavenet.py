"""WaveNet: the distribution of a step, the order of channels, and a law that it learns."""

import math
from dataclasses import replace

import pytest
import torch
from tests.mutants import mutated

from veridical.config import OptimizerConfig
from veridical.config.families.wavenet import WaveNetConfig
from veridical.families import wavenet
from veridical.families.wavenet import WaveNet, head_of, step_by_step
from veridical.model import Batch, Space
from veridical.nn.companding import MuLaw
from veridical.nn.heads import Bernoulli, Categorical, GaussianMixture, LogisticMixture
from veridical.noise import SampleNoise
from veridical.targets.tones import Tones
from veridical.training.fit import State, fit

pytestmark = pytest.mark.usefixtures("double_precision")

AUDIO = Space((1, 9), kind="sequence", levels=None, std=0.2)
STEREO = Space((2, 5), kind="sequence", levels=None, std=0.2)
SMALL = WaveNetConfig(width=4, layers=2, blocks=1, components=2)


def test_the_data_decide_on_the_distribution_of_a_step() -> None:
    config, kind = WaveNetConfig(), "sequence"
    assert isinstance(head_of(config, Space((1, 4), kind, levels=2)), Bernoulli)
    assert isinstance(head_of(config, Space((1, 4), kind, levels=256)), Categorical)
    assert isinstance(head_of(config, Space((1, 4), kind, levels=4096)), LogisticMixture)
    assert isinstance(head_of(config, Space((1, 4), kind, levels=2**16)), MuLaw)
    assert isinstance(head_of(config, AUDIO), MuLaw)
    assert isinstance(head_of(config, replace(AUDIO, support=None)), GaussianMixture)


def test_outputs_that_the_data_do_not_allow_are_refused() -> None:
    with pytest.raises(ValueError, match="the data have no bounds"):
        WaveNet(WaveNetConfig(output="mu-law"), replace(AUDIO, support=None))
    with pytest.raises(ValueError, match="the data are continuous"):
        WaveNet(WaveNetConfig(output="levels"), AUDIO)


def test_channels_of_a_step_follow_each_other() -> None:
    order = step_by_step(STEREO)
    assert order is not None and order.tolist() == [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
    model = WaveNet(SMALL, STEREO)
    x = model.sample(1, noise=SampleNoise(0, 0, 1))
    slope = torch.autograd.functional.jacobian(lambda x: model.conditionals(x, None).sum(-1), x)[0, :, 0].flatten(1)  # type: ignore[index]
    seen = (slope[7] != 0).nonzero()[:, 0].tolist()  # the right channel of the third step
    assert set(seen) == set(order[:5].tolist())  # both channels of two steps, and its left channel


def test_nats_do_not_depend_on_what_the_range_is() -> None:
    model, twin = WaveNet(SMALL, AUDIO), WaveNet(SMALL, replace(AUDIO, support=(-10.0, 10.0), std=2.0))
    twin.load_state_dict(model.state_dict())
    x = model.sample(4, noise=SampleNoise(0, 0, 4))
    torch.testing.assert_close(twin.log_prob(10 * x), model.log_prob(x) - 9 * math.log(10))


class Drawn:
    """Fresh sequences at every step."""

    def __init__(self, law: Tones) -> None:
        self.law = law

    def batch(self, step: int) -> Batch:
        x = self.law.sample(64, torch.Generator().manual_seed(step))
        return Batch(x, torch.arange(64))


def test_training_comes_near_the_entropy_of_a_tone_and_not_below() -> None:
    law = Tones(16, radius=0.9, frequency=1500.0)
    space = Space((1, 16), kind="sequence", support=None, levels=None)
    optimizer = OptimizerConfig(lr=0.01, schedule="cosine")
    model = WaveNet(WaveNetConfig(width=8, layers=2, blocks=1, components=1, optimizer=optimizer), space)
    fit(State(model, steps=100), Drawn(law), log_every=100)
    x = law.sample(2000, torch.Generator().manual_seed(10**6))
    with torch.no_grad():
        excess = law.log_prob(x) - model.log_prob(x)  # its mean is KL(p || q)
    error = excess.std().item() / math.sqrt(len(x))
    assert excess.mean().item() > -5 * error  # false-alarm rate 3e-7
    independent = -16 * 0.5 * math.log(2 * math.pi * math.e) + law.entropy().value
    assert excess.mean().item() < 0.1 * -independent


@pytest.mark.parametrize(
    ("owner", "name", "before", "after"),
    [
        (WaveNet, "conditionals", "[:, self.order.argsort()]", "[:, self.order]"),
        (wavenet, "step_by_step", ".T.flatten()", ".flatten()"),
        (WaveNet, "seen", "self.head.unit(x)", "x"),
    ],
)
def test_a_planted_mistake_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, before: str, after: str
) -> None:
    monkeypatch.setattr(owner, name, mutated(getattr(owner, name), before, after))
    monkeypatch.setitem(globals(), "step_by_step", wavenet.step_by_step)
    with pytest.raises(AssertionError):
        test_channels_of_a_step_follow_each_other()
        test_nats_do_not_depend_on_what_the_range_is()


def test_long_samples_are_drawn_from_queues() -> None:
    model = WaveNet(SMALL, Space((1, 300), kind="sequence", levels=None, std=0.2))
    drawn = model.drawn(2, noise=SampleNoise(0, 0, 2))
    assert drawn.evaluations == 0 and drawn.x.shape == (2, 1, 300) and drawn.x.abs().max() <= 1
    torch.testing.assert_close(drawn.log_prob, model.log_prob(drawn.x).detach())
