"""What every family must keep, whatever it is: the training loop and the tools rely on nothing else."""

import copy
import itertools
from collections.abc import Iterable
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, nn

from veridical.config.families.table import find_family
from veridical.families import FAMILIES, unmet
from veridical.families.autoregressive import Autoregressive
from veridical.families.variational import Variational
from veridical.model import (
    Batch,
    Bijective,
    Dequantised,
    Encoder,
    ExactLikelihood,
    Facts,
    GenerativeModel,
    LatentVariable,
    LikelihoodBound,
    Sampler,
    Space,
    Trainable,
    has_exact_likelihood,
)
from veridical.nn.buffers import undeclared_buffers

SPACES = {
    "grey": Space((1, 9, 12), mean=-0.4, std=0.7, classes=10),
    "colour": Space((3, 8, 8), levels=None, mean=0.1, std=0.5),
    "thumbnail": Space((1, 5, 5), levels=17, classes=4),
    "vector": Space((3,), kind="vector", support=None, levels=None, mean=30.0, std=5.0),
    "box": Space((2,), kind="vector", support=(0.0, 10.0), levels=11, mean=4.0, std=3.0, classes=3),
    "spins": Space((1, 8, 8), kind="lattice", levels=2),
}


def examples(space: Space, n: int = 6) -> Batch:
    random = torch.Generator().manual_seed(7)
    x = space.mean + space.std * torch.randn(n, *space.shape, generator=random)
    if space.support is not None:
        low, high = space.support
        x = x.clamp(low, high)
        if space.bin_width is not None:
            x = low + space.bin_width * ((x - low) / space.bin_width).round()
    c = None if space.classes is None else torch.randint(space.classes, (n,), generator=random)
    return Batch(x, torch.arange(n), c)


def build(family: str, space: Space, seed: int = 0) -> GenerativeModel:
    torch.manual_seed(seed)
    return FAMILIES[family](find_family(family).smallest, Facts(space, len(examples(space).x)))


def fulfils(family: str, space: str) -> bool:
    return not unmet(family, Facts(SPACES[space], 6))


PAIRS = list(itertools.product(FAMILIES, SPACES))
MEANINGFUL = [pair for pair in PAIRS if fulfils(*pair)]


@pytest.fixture(params=MEANINGFUL, ids="-".join)
def model(request: pytest.FixtureRequest) -> GenerativeModel:
    family, space = request.param
    return build(family, SPACES[space])


def name_of(model: GenerativeModel) -> str:
    return next(name for name, family in FAMILIES.items() if type(model) is family)


def parameters_of(model: GenerativeModel, player: str) -> list[nn.Parameter]:
    parameters: list[nn.Parameter] = []
    for entry in model.player_parameters(player):
        group: Iterable[nn.Parameter] = entry["params"] if isinstance(entry, dict) else [entry]
        parameters += group
    return parameters


def freeze_all_but(model: GenerativeModel, player: str) -> None:
    """As the training loop does."""
    own = {id(p) for p in parameters_of(model, player)}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in own)


def samples(model: GenerativeModel, n: int = 5, seed: int = 3) -> Tensor:
    assert isinstance(model, Sampler)
    torch.manual_seed(seed)
    return model.sample(n)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_declaration_fits_the_model(family: str) -> None:
    declared, model = find_family(family), FAMILIES[family]
    assert issubclass(model, GenerativeModel) and declared.config.__name__ == f"{model.__name__}Config"
    assert isinstance(declared.smallest, declared.config)
    assert all(isinstance(preset.model, declared.config) for preset in declared.presets.values())
    assert declared.about.endswith(".") and any(fulfils(family, space) for space in SPACES)


@pytest.mark.parametrize(("family", "space"), [pair for pair in PAIRS if not fulfils(*pair)])
def test_data_that_lack_what_it_needs_are_refused(family: str, space: str) -> None:
    with pytest.raises(ValueError, match=r"space has shape .*; .*\."):
        build(family, SPACES[space])


@pytest.mark.parametrize("family", FAMILIES)
def test_it_names_its_papers(family: str) -> None:
    papers = FAMILIES[family].papers
    assert papers and all("http" in paper or "doi" in paper for paper in papers)


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_build_and_learn(family: str) -> None:
    torch.manual_seed(0)
    model = FAMILIES[family](find_family(family).config(), Facts(SPACES["thumbnail"], 6))
    for player in model.turns(0):
        assert model.loss(examples(model.space), player=player, step=0).loss.isfinite()


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_below_one_are_refused(family: str) -> None:
    smallest = find_family(family).smallest
    for name in [field.name for field in fields(smallest) if field.name in ("width", "latent_dim")]:
        with pytest.raises(ValueError, match=f"{name} is -3; expected"):
            replace(smallest, **{name: -3})


def test_every_player_moves(model: GenerativeModel) -> None:
    assert isinstance(model, Trainable)
    moves = [model.turns(step) for step in range(10)]
    assert {player for turns in moves for player in turns} == set(model.players)
    for player in model.players:
        assert model.optimizer(player).lr > 0


def test_every_parameter_belongs_to_one_player(model: GenerativeModel) -> None:
    owned = [id(p) for player in model.players for p in parameters_of(model, player)]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(p) for p in model.parameters()}


def test_every_buffer_states_its_role(model: GenerativeModel) -> None:
    assert undeclared_buffers(model) == []


def test_losses_and_terms_are_finite_scalars(model: GenerativeModel) -> None:
    for player in model.players:
        loss, terms = model.loss(examples(model.space), player=player, step=0)
        assert loss.shape == () and loss.isfinite() and loss.requires_grad and loss.dtype == torch.float32
        assert "loss" in terms
        torch.testing.assert_close(terms["loss"], loss)
        for name, term in terms.items():
            assert "/" not in name
            assert isinstance(term, Tensor) and term.shape == () and term.isfinite(), name


def test_gradients_reach_exactly_the_moving_player(model: GenerativeModel) -> None:
    for player in model.players:
        model.zero_grad(set_to_none=True)
        freeze_all_but(model, player)
        model.loss(examples(model.space), player=player, step=0).loss.backward()
        own = {id(p) for p in parameters_of(model, player)}
        for name, parameter in model.named_parameters():
            if id(parameter) in own:
                assert parameter.requires_grad and parameter.grad is not None, f"{name} learns nothing"
                assert parameter.grad.isfinite().all(), name
            else:
                assert not parameter.requires_grad and parameter.grad is None, f"{name} is not {player}'s"


def test_a_loss_changes_neither_weights_nor_data(model: GenerativeModel) -> None:
    before = copy.deepcopy(dict(model.named_parameters()))
    batch = examples(model.space)
    x = batch.x.clone()
    for player in model.players:
        model.loss(batch, player=player, step=0).loss.backward()
    assert torch.equal(batch.x, x) and not batch.x.requires_grad and batch.x.grad is None
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_a_loss_depends_on_the_global_generator_alone(model: GenerativeModel) -> None:
    for player in model.players:
        losses = []
        for twin in (copy.deepcopy(model), model):  # a loss may move live buffers: persistent chains, say
            torch.manual_seed(5)
            losses.append(twin.loss(examples(model.space), player=player, step=0).loss)
        assert torch.equal(*losses)


def test_a_few_updates_change_every_players_weights(model: GenerativeModel) -> None:
    before = copy.deepcopy(model.state_dict())
    for player in model.players:
        optimizer = torch.optim.SGD(model.player_parameters(player), lr=1e-3)
        model.loss(examples(model.space), player=player, step=0).loss.backward()
        optimizer.step()
        model.after_update(player)
        changed = {id(p) for n, p in model.named_parameters() if not torch.equal(p, before[n])}
        assert changed & {id(p) for p in parameters_of(model, player)}


def test_samples_are_data(model: GenerativeModel) -> None:
    for n in (1, 5):
        x = samples(model, n)
        assert x.shape == (n, *model.space.shape) and x.dtype == torch.float32
        assert x.isfinite().all() and not x.requires_grad
        if model.space.support is not None:
            low, high = model.space.support
            assert x.min() >= low and x.max() <= high


def test_samples_follow_the_seed(model: GenerativeModel) -> None:
    assert torch.equal(samples(model, seed=3), samples(model, seed=3))
    # Of two-valued images of 64 sites two draws of five agree with a chance below 1e-20.
    assert not torch.equal(samples(model, seed=3), samples(model, seed=4)) or model.space.dim < 10


def test_saved_weights_give_the_same_samples(model: GenerativeModel) -> None:
    other = build(name_of(model), model.space, seed=1)
    with torch.no_grad():
        for parameter in other.parameters():  # a flow starts as the identity, whatever the seed
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert not torch.equal(samples(model), samples(other)) or model.space.dim < 10
    other.load_state_dict(model.state_dict())
    assert torch.equal(samples(model), samples(other))


def test_a_copy_is_equal_and_independent(model: GenerativeModel) -> None:
    twin = copy.deepcopy(model)
    assert torch.equal(samples(model), samples(twin))
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_half_precision_is_close(model: GenerativeModel) -> None:
    for player in model.players:
        torch.manual_seed(5)
        exact = copy.deepcopy(model).loss(examples(model.space), player=player, step=0)
        torch.manual_seed(5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model.loss(examples(model.space), player=player, step=0)
        assert rough.loss.dtype == torch.float32 and rough.loss.isfinite()
        # bf16 keeps three digits; a few layers and squares multiply their error.
        torch.testing.assert_close(rough.loss, exact.loss, rtol=0.03, atol=0.03)
        rough.loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters_of(model, player))


def test_codes_decode_to_data(model: GenerativeModel) -> None:
    if not isinstance(model, LatentVariable):
        pytest.skip("no latent variable")
    z = model.prior(4)
    assert z.shape == (4, *model.latent_shape)
    z.requires_grad_()
    x = model.decode(z)
    assert x.shape == (4, *model.space.shape) and x.isfinite().all()
    torch.testing.assert_close(model.decode(z[:2]), x[:2], rtol=1e-4, atol=1e-5 * model.space.std)
    x.sum().backward()  # codes can be searched for
    assert z.grad is not None and z.grad.abs().sum() > 0


def test_posteriors_are_over_codes(model: GenerativeModel) -> None:
    if not isinstance(model, Encoder):
        pytest.skip("no encoder")
    assert isinstance(model, LatentVariable)
    q = model.posterior(examples(model.space, 4).x)
    z = q.rsample()
    assert z.shape == (4, *model.latent_shape)
    assert q.log_prob(z).shape == (4,) and q.log_prob(z).isfinite().all()


def test_likelihoods_are_one_number_each(model: GenerativeModel) -> None:
    if not isinstance(model, ExactLikelihood | LikelihoodBound):
        pytest.skip("no likelihood")
    x = examples(model.space, 4).x
    exact = isinstance(model, ExactLikelihood) and has_exact_likelihood(model)
    nats = model.log_prob(x) if exact else model.elbo(x)  # type: ignore[union-attr]
    assert nats.shape == (4,) and nats.isfinite().all() and nats.dtype == torch.float32


def nats_of(model: GenerativeModel, x: Tensor) -> Tensor:
    if isinstance(model, ExactLikelihood) and has_exact_likelihood(model):
        return model.log_prob(x)
    assert isinstance(model, LikelihoodBound)
    return model.elbo(x)


def test_no_examples_are_no_error(model: GenerativeModel) -> None:
    """A selection may be empty."""
    model.eval()
    nothing = torch.zeros(0, *model.space.shape)
    assert samples(model, 0).shape == nothing.shape
    if isinstance(model, ExactLikelihood | LikelihoodBound):
        assert nats_of(model, nothing).shape == (0,)
    if isinstance(model, LatentVariable):
        assert model.decode(torch.zeros(0, *model.latent_shape)).shape == nothing.shape
    if isinstance(model, Bijective):
        assert model.encode(nothing).shape == (0, model.space.dim)
    if isinstance(model, Encoder):
        assert model.posterior(nothing).mean.shape[0] == 0


def test_a_negative_number_of_samples_is_refused(model: GenerativeModel) -> None:
    with pytest.raises(ValueError, match="n is -1; expected at least 0"):
        samples(model, -1)


def test_examples_in_double_precision_need_no_conversion(model: GenerativeModel) -> None:
    """Such are those of numpy."""
    x = examples(model.space, 4).x
    model.eval()
    for name, function in {
        "nats": lambda x: nats_of(model, x) if isinstance(model, ExactLikelihood | LikelihoodBound) else x.sum(),
        "codes": lambda x: model.encode(x) if isinstance(model, Bijective) else x.sum(),
        "posterior": lambda x: model.posterior(x).mean if isinstance(model, Encoder) else x.sum(),
    }.items():
        found = []
        for dtype in (torch.float32, torch.float64):
            torch.manual_seed(0)
            found.append(function(x.to(dtype)).shape)
        assert found[0] == found[1], name


def test_codes_of_another_shape_are_refused(model: GenerativeModel) -> None:
    if not isinstance(model, LatentVariable):
        pytest.skip("no latent variable")
    with pytest.raises(ValueError, match=r"z has shape \(2, 77\); this model decodes codes \(B, "):
        model.decode(torch.zeros(2, 77))


def has_probabilities_of_levels(model: GenerativeModel) -> bool:
    """Whether a likelihood is that of the levels; others are densities of all values, also of data with levels."""
    of_bits = isinstance(model, Variational) and model.space.levels == 2
    return model.space.levels is not None and (of_bits or isinstance(model, Autoregressive | Dequantised))


def test_values_that_the_data_do_not_have_have_no_probability(model: GenerativeModel) -> None:
    if not has_probabilities_of_levels(model):
        pytest.skip("no probabilities of levels")
    x = examples(model.space, 2).x
    half = 0.5 * (model.space.bin_width or 0.0)
    with pytest.raises(ValueError, match=r"x holds .*; this model has probabilities of the"):
        nats_of(model, (x + half).where(x < 0, x - half))
