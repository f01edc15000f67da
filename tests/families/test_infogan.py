"""Codes of an InfoGAN: their law, who learns to read them, and games in which the information is known."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training import toys
from torch import Tensor, nn

from veridical.config import InfoGANConfig, TrainingConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families.infogan import InfoGAN, Reader
from veridical.model import Batch, Space
from veridical.nn.discriminator import Discriminator
from veridical.run import Run
from veridical.training import checkpoint
from veridical.training.callbacks import Checkpointer
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit

IMAGES = Space((1, 8, 8), levels=None)
POINTS = Space((3,), kind="vector", support=None, levels=None)
SMALL = InfoGANConfig(latent_dim=4, width=8, reader_width=16, categorical=(3, 5), continuous=2)


def build(config: InfoGANConfig = SMALL, space: Space = IMAGES, seed: int = 0) -> InfoGAN:
    torch.manual_seed(seed)
    return InfoGAN(config, space)


def examples(space: Space = IMAGES, n: int = 8) -> Batch:
    x = torch.rand(n, *space.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(x, torch.arange(n))


class TestLatent:
    def test_the_parts_have_their_laws(self) -> None:
        model = build()
        torch.manual_seed(1)
        z = model.prior(4_000)
        assert z.shape == (4_000, 4 + 3 + 5 + 2) == (4_000, *model.latent_shape)
        noise, categorical, continuous = model.split(z)
        assert abs(float(noise.std()) - 1) < 0.05 and float(noise.abs().max()) > 2
        assert [len(c.unique()) for c in categorical] == [3, 5]
        for c, k in zip(categorical, (3, 5), strict=True):
            # Five standard deviations of a binomial count: false-alarm rate below 1e-5.
            assert (c.bincount() - 4_000 / k).abs().max() < 5 * math.sqrt(4_000 / k)
        assert float(continuous.abs().max()) <= 1 and abs(float(continuous.var()) - 1 / 3) < 0.02
        assert torch.corrcoef(torch.cat([noise, continuous], 1).T).triu(1).abs().max() < 0.1

    def test_joining_undoes_splitting(self) -> None:
        model = build()
        z = model.prior(20)
        assert torch.equal(model.join(model.split(z)), z)

    def test_noise_is_uniform_where_that_is_chosen(self) -> None:
        noise = build(replace(SMALL, latent="uniform")).prior(1_000)[:, :4]
        assert float(noise.abs().max()) <= 1 and float(noise.abs().max()) > 0.99

    @pytest.mark.parametrize(("categorical", "continuous"), [((), 1), ((2,), 0)])
    def test_one_kind_of_code_is_enough(self, categorical: tuple[int, ...], continuous: int) -> None:
        model = build(replace(SMALL, categorical=categorical, continuous=continuous))
        for player in model.players:
            terms = model.loss(examples(), player=player, step=0).terms
            assert len([name for name in terms if name.startswith("information_")]) == 1


class TestGame:
    def test_the_reader_is_the_discriminators(self) -> None:
        model = build()
        owned = {id(p) for p in model.player_parameters("discriminator")}
        assert {id(p) for p in model.reader.parameters()} < owned
        assert not owned & {id(p) for p in model.player_parameters("generator")}

    @pytest.mark.parametrize("player", ["discriminator", "generator"])
    def test_information_alone_moves_trunk_reader_and_generator(self, player: str) -> None:
        """Against the same turn at weight 0: the difference is the gradient of the information."""
        gradients = []
        for weight in (0.0, 2.0):
            model = build(replace(SMALL, information_weight=weight, continuous_weight=weight))
            torch.manual_seed(3)
            model.loss(examples(), player=player, step=0).loss.backward()
            gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
        without, full = gradients
        moved = {name for name in full if not torch.equal(full[name], without[name])}
        if player == "discriminator":
            assert {name for name in full if name.startswith("reader.")} <= moved
            assert any(name.startswith("discriminator.trunk") for name in moved)
            assert not any(name.startswith("generator.") for name in full)
            assert not any(name.startswith("discriminator.head") for name in moved)
        else:
            assert any(name.startswith("generator.") for name in moved)

    def test_every_part_has_its_emphasis(self) -> None:
        config = replace(SMALL, information_weight=1.0, continuous_weight=3.0, restore_noise=0.5)
        model, plain = (
            build(config),
            build(replace(config, information_weight=0.0, continuous_weight=0.0, restore_noise=1e-12)),
        )
        plain.load_state_dict(model.state_dict())
        losses = []
        for each in (model, plain):
            torch.manual_seed(3)
            losses.append(each.loss(examples(), player="generator", step=0))
        terms = losses[0].terms
        categorical = sum(terms[f"information_categorical_{i}"] for i in range(2))
        continuous = sum(terms[f"information_continuous_{i}"] for i in range(2))
        expected = categorical + 3 * continuous + 0.5 * terms["information_noise"]
        torch.testing.assert_close(losses[1].loss - losses[0].loss, expected)
        torch.testing.assert_close(terms["information"], categorical + continuous)

    @pytest.mark.parametrize("changes", [{}, {"relativistic": False}, {"relativistic": False, "r1": 0.0, "r2": 0.0}])
    @pytest.mark.parametrize("space", [IMAGES, POINTS], ids=["images", "points"])
    def test_it_learns_in_every_recipe(self, changes: dict, space: Space) -> None:
        model = build(replace(SMALL, **changes), space)
        state = State(model, steps=3)
        fit(state, Loader(ArrayData(examples(space).x, space=space), 4), log_every=3)
        assert model.sample(2).shape == (2, *space.shape)

    def test_dcgan_networks_without_penalties(self) -> None:
        config = replace(SMALL, network="dcgan", relativistic=False, r1=0.0, r2=0.0)
        model = build(config, Space((1, 28, 28), levels=None))
        for player in model.players:
            assert model.loss(examples(model.space), player=player, step=0).loss.isfinite()


class Shift(nn.Module):
    """Knows its codes and shows them: x = (first category, continuous code, noise), without any learning."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * torch.stack([2.0 * z[:, 2], z[:, 3], z[:, 0]], 1)


class TestKnownInformation:
    """The generator is fixed and its codes can be read exactly: the reader must find what there is, and no more."""

    config = InfoGANConfig(
        categorical=(2,),
        continuous=1,
        latent_dim=1,
        width=32,
        reader_width=32,
        fourier_octaves=0,
        continuous_weight=1.0,
        restore_noise=1.0,
        r1=0.0,
        r2=0.0,
    )

    def trained(self, generator: nn.Module, steps: int = 200) -> dict[str, Tensor]:
        torch.manual_seed(0)
        model = InfoGAN(self.config, POINTS, generator=generator)
        batch = Batch(torch.randn(64, 3), torch.arange(64))
        optimizer = torch.optim.Adam(model.player_parameters("discriminator"), lr=1e-2)
        for step in range(steps):
            optimizer.zero_grad()
            model.loss(batch, player="discriminator", step=step).loss.backward()
            optimizer.step()
        with torch.no_grad():
            z = model.prior(20_000)
            return model.information(model.decode(z), z)

    def test_readable_codes_are_read_to_their_ceilings(self) -> None:
        nats = self.trained(Shift())
        assert math.log(2) - 0.01 < float(nats["categorical"][0]) <= math.log(2)
        resolution = self.config.code_resolution
        # Exact recovery at this resolution, and recovery with errors of its size: half a nat less.
        best = math.log(2) - 0.5 * math.log(2 * math.pi * resolution**2)
        assert best - 0.5 < float(nats["continuous"][0]) < best
        assert float(nats["noise"][0]) > 1.5

    def test_codes_that_are_not_shown_are_not_found(self) -> None:
        class Deaf(Shift):
            def forward(self, z: Tensor) -> Tensor:
                return self.scale * torch.randn(len(z), 3)

        nats = self.trained(Deaf(), steps=200)
        # Fresh samples, 20,000 of them: the bound stays below the truth, 0, save for 5 standard errors of its mean.
        assert -0.1 < float(nats["categorical"][0]) < 0.005
        # A Gaussian is no uniform law: the best it can do without information is log(6 / pi e) / 2 = -0.176.
        assert -0.35 < float(nats["continuous"][0]) < -0.17
        assert -0.1 < float(nats["noise"][0]) < 0.01

    def test_fresh_information_of_a_category_is_never_above_its_entropy(self) -> None:
        for seed in range(5):
            model = build(seed=seed)
            z = model.prior(100)
            nats = model.information(model.decode(z), z)["categorical"]
            assert (nats <= torch.tensor([math.log(3), math.log(5)])).all()


def test_no_smaller_variance_than_the_resolution_is_claimed() -> None:
    reader = Reader(4, (3,), 2, 8, resolution=0.2)
    with torch.no_grad():
        reading = reader(1e3 * torch.randn(50, 4))
    assert [v.shape for v in (*reading.logits, reading.mu, reading.log_var)] == [(50, 3), (50, 2), (50, 2)]
    assert float(reading.log_var.min()) >= math.log(0.04) - 1e-6
    assert float(reading.log_var.max()) > 0


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            state.stop = "asked to"


def test_resuming_equals_never_having_stopped_to_the_bit(tmp_path: Path) -> None:
    def train(name: str, stop: int) -> State:
        run = Run.create(tmp_path / name) if not (tmp_path / name).exists() else Run(tmp_path / name)
        state = State(build(replace(SMALL, restore_noise=0.1), POINTS), steps=6, ema=0.9)
        torch.manual_seed(5)
        saver = Checkpointer(run, Engine.plain(), TrainingConfig(), {})
        if checkpoint.complete(run.checkpoints):
            checkpoint.load(checkpoint.newest(run.checkpoints, print), state, {}, 0)
            saver.saved = state.step
        batches = Loader(ArrayData(examples(POINTS).x, space=POINTS), 4)
        return fit(state, batches, log_every=6, callbacks=[saver, StopAt(stop)])

    whole = toys.everything(train("whole", -1))
    train("parts", 3)
    torch.manual_seed(999)
    toys.assert_equal(whole, toys.everything(train("parts", -1)))


def test_any_example_can_be_read() -> None:
    model = build()
    reading = model.read(examples().x)
    assert [v.shape for v in reading.logits] == [(8, 3), (8, 5)] and reading.mu.shape == (8, 2)


def test_your_own_networks() -> None:
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    model = InfoGAN(SMALL, IMAGES, discriminator=Discriminator(nn.Identity(), trunk, 5, nn.Linear(5, 1)))
    for player in model.players:
        assert model.loss(examples(), player=player, step=0).loss.isfinite()
    with pytest.raises(ValueError, match="encoder of the codes needs its features"):
        InfoGAN(SMALL, IMAGES, discriminator=nn.Linear(64, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"categorical": (10, 1)}, "at least 2 values"),
        ({"categorical": (), "continuous": 0}, "there are no codes"),
        ({"pack": 2}, "pack is 2"),
        ({"code_resolution": 0.0}, "code_resolution is 0.0"),
        ({"restore_noise": -1.0}, "restore_noise is -1.0"),
        ({"continuous_weight": -1.0}, "continuous_weight is -1.0"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        InfoGANConfig(**changes)
