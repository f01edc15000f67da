"""The conditional game against closed forms; what all families must keep is in test_contract.py."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import integrate, stats
from torch import Tensor, nn

from veridical.config import ConditionalGANConfig
from veridical.config.families.conditional_gan import ConditionalGANSampling
from veridical.families.conditional_gan import ConditionalGAN, ProjectionDiscriminator
from veridical.model import Batch, Space
from veridical.nn.biggan import BigGANGenerator
from veridical.nn.discriminator import Discriminator
from veridical.nn.orthogonal import orthogonal_penalties
from veridical.nn.resnet_gan import SNGANGenerator
from veridical.nn.spectral import top_singular_values
from veridical.sampling import draw

LINE = Space((1,), kind="vector", support=None, levels=None, classes=3)
PLAIN = {"relativistic": False, "r1": 0.0, "r2": 0.0, "latent_dim": 1}
CONDITIONINGS = ["concatenate", "projection", "auxiliary"]
MU_P, MU_Q, SIGMA_Q = torch.tensor([-2.0, 0.0, 3.0]), torch.tensor([-1.0, 0.5, 3.0]), 1.5


class Gaussians(nn.Module):
    """x = mean of the class + scale * z."""

    def __init__(self, mu: Tensor, sigma: float) -> None:
        super().__init__()
        self.mu, self.sigma = nn.Parameter(mu), sigma

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return self.mu[c, None] + self.sigma * z


class BestDiscriminator(nn.Module):
    """log p(x | c) / q(x | c)."""

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        p = torch.distributions.Normal(MU_P[c, None], 1.0)
        q = torch.distributions.Normal(MU_Q[c, None], SIGMA_Q)
        return p.log_prob(x) - q.log_prob(x)


class Classifier(nn.Module):
    """A logit of being real and one per class, all linear."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def jensen_shannon(c: int) -> float:
    p: Any = stats.norm(MU_P[c], 1)
    q: Any = stats.norm(MU_Q[c], SIGMA_Q)

    def density(x: float) -> float:
        a, b = p.pdf(x), q.pdf(x)
        m = (a + b) / 2
        return 0.5 * sum(v * math.log(v / m) for v in (a, b) if v > 0)

    return integrate.quad(density, -15, 15)[0]


def batch(space: Space, n: int = 12, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    c = torch.randint(space.classes or 1, (n,), generator=random)
    return Batch(torch.rand(n, *space.shape, generator=random) * 2 - 1, torch.arange(n), c)


def test_the_best_discriminators_loss_is_the_mean_divergence_of_the_classes() -> None:
    config = ConditionalGANConfig(conditioning="concatenate", **PLAIN)
    model = ConditionalGAN(config, LINE, generator=Gaussians(MU_Q, SIGMA_Q), discriminator=BestDiscriminator())
    torch.manual_seed(0)
    n = 300_000
    c = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), n, replacement=True)
    x = MU_P[c, None] + torch.randn(n, 1)
    loss = model.loss(Batch(x, torch.arange(n), c), player="discriminator", step=0).loss.item()
    expected = 2 * math.log(2) - 2 * sum(w * jensen_shannon(i) for i, w in enumerate((0.5, 0.3, 0.2)))
    # The summands lie within a few nats (standard deviation below 1): 6 standard errors, false alarms below 1e-8.
    assert loss == pytest.approx(expected, abs=6 / math.sqrt(n))


def test_fakes_have_the_classes_of_their_partners() -> None:
    class Distance(nn.Module):
        def forward(self, x: Tensor, c: Tensor) -> Tensor:
            return -100 * (x[:, 0] - c).abs()

    for relativistic, expected in ((False, 2 * math.log(2)), (True, math.log(2))):
        config = ConditionalGANConfig(conditioning="concatenate", **{**PLAIN, "relativistic": relativistic})
        generator = Gaussians(torch.arange(3.0), sigma=0.0)
        model = ConditionalGAN(config, LINE, generator=generator, discriminator=Distance())
        c = torch.tensor([2, 0, 1, 1])
        loss = model.loss(Batch(c[:, None].float(), c, c), player="discriminator", step=0).loss
        assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_projection_is_the_log_ratio_of_gaussians_of_one_covariance() -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        mu, nu, a = torch.randn(4, 2), torch.randn(4, 2), torch.randn(2, 2)
        covariance = a @ a.T + 0.1 * torch.eye(2)
        log_prior = torch.log_softmax(torch.randn(4), 0) - torch.log_softmax(torch.randn(4), 0)

        class WithOne(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return torch.cat([x, torch.ones(len(x), 1)], dim=1)

        head = nn.Linear(3, 1)
        projection = ProjectionDiscriminator(Discriminator(nn.Identity(), WithOne(), 3, head), classes=4)
        precision = torch.linalg.inv(covariance)
        slope = (mu - nu) @ precision
        offset = -0.5 * ((mu @ precision * mu).sum(1) - (nu @ precision * nu).sum(1)) + log_prior
        with torch.no_grad():
            head.weight.zero_()
            head.bias.zero_()
            projection.embedding.weight.copy_(torch.cat([slope, offset[:, None]], dim=1))
        x, c = 3 * torch.randn(50, 2), torch.randint(4, (50,))
        p = torch.distributions.MultivariateNormal(mu[c], covariance)
        q = torch.distributions.MultivariateNormal(nu[c], covariance)
        torch.testing.assert_close(projection(x, c), p.log_prob(x) - q.log_prob(x) + log_prior[c])
        with torch.no_grad():  # psi adds what does not depend on the class
            head.weight.fill_(0.5)
        shift = 0.5 * (x.sum(1) + 1)
        torch.testing.assert_close(projection(x, c), p.log_prob(x) - q.log_prob(x) + log_prior[c] + shift)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("relativistic", [False, True])
def test_the_auxiliary_loss_is_odenas(relativistic: bool) -> None:
    settings = {**PLAIN, "relativistic": relativistic, "dragan": 0.1, "r1": 0.1, "r2": 0.1}
    without = ConditionalGANConfig(conditioning="auxiliary", class_weight=1e-12, **settings)
    config = ConditionalGANConfig(conditioning="auxiliary", class_weight=0.7, **settings)
    torch.manual_seed(0)
    networks = {"generator": Gaussians(MU_Q, SIGMA_Q), "discriminator": Classifier()}
    judged = batch(LINE)
    for player in ("discriminator", "generator"):
        losses = []
        for chosen in (config, without):
            torch.manual_seed(5)
            losses.append(ConditionalGAN(chosen, LINE, **networks).loss(judged, player=player, step=0))
        torch.manual_seed(5)
        model = ConditionalGAN(config, LINE, **networks)
        assert judged.c is not None
        x_fake = model.decode(model.prior(len(judged.x)), judged.c)
        fake = F.cross_entropy(model.discriminator(x_fake)[:, 1:], judged.c)
        real = F.cross_entropy(model.discriminator(judged.x)[:, 1:], judged.c)
        expected = 0.7 * (real + fake if player == "discriminator" else fake)
        torch.testing.assert_close(losses[0].loss - losses[1].loss, expected)
        torch.testing.assert_close(losses[0].terms["class_fake"], fake.detach())
    logit = model.discriminator(x_fake)[:, 0]
    if not relativistic:
        torch.testing.assert_close(losses[1].loss, F.softplus(-logit).mean())


def test_orthogonal_regularisation_is_the_generators() -> None:
    space = Space((1, 8, 8), classes=3)
    judged, losses = batch(space), []
    for weight in (0.0, 1e-2):
        torch.manual_seed(1)
        model = ConditionalGAN(ConditionalGANConfig(width=4, orthogonal_weight=weight), space)
        losses.append([model.loss(judged, player=player, step=0).loss for player in model.players])
    torch.testing.assert_close(losses[0][0], losses[1][0])
    torch.testing.assert_close(losses[1][1] - losses[0][1], 1e-2 * orthogonal_penalties(model.generator))


@pytest.mark.parametrize("network", ["mlp", "conv", "dcgan", "sngan", "biggan"])
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_every_network_learns_every_way(conditioning: Any, network: Any) -> None:
    torch.manual_seed(0)
    space = Space((1, 28, 28), classes=3)
    options = {"relativistic": False, "r1": 0.0, "r2": 0.0, "objective": "hinge", "spectral_norm": True}
    config = ConditionalGANConfig(conditioning=conditioning, network=network, width=4, latent_dim=6, **options)
    model = ConditionalGAN(config, space)
    residual = {"sngan": SNGANGenerator, "biggan": BigGANGenerator}.get(network)
    assert residual is None or any(isinstance(module, residual) for module in model.generator.modules())
    for player in model.players:
        model.loss(batch(space, 4), player=player, step=0).loss.backward()
        assert all(p.grad is not None for p in model.get_submodule(player).parameters())
    for name, sigma in top_singular_values(model.discriminator, 1).items():
        assert sigma.item() == pytest.approx(1, abs=1e-3), name
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    z = model.eval().prior(1).expand(3, -1)
    by_class = model.decode(z, torch.arange(3))
    assert (by_class[0] - by_class[1]).abs().max().item() > 1e-5


@pytest.mark.parametrize("conditioning", ["concatenate", "auxiliary"])
def test_other_uses_of_the_label_keep_the_contract_too(conditioning: Any) -> None:
    space = Space((1, 8, 8), levels=None, classes=3)
    torch.manual_seed(0)
    model = ConditionalGAN(ConditionalGANConfig(conditioning=conditioning, latent_dim=4, width=8), space)
    for player in model.players:
        torch.manual_seed(5)
        exact = model.loss(batch(space), player=player, step=0)
        torch.manual_seed(5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model.loss(batch(space), player=player, step=0)
        assert rough.loss.dtype == torch.float32
        torch.testing.assert_close(rough.loss, exact.loss, rtol=0.03, atol=0.03)
        model.zero_grad(set_to_none=True)
        other = model.get_submodule("generator" if player == "discriminator" else "discriminator")
        for parameter in other.parameters():
            parameter.requires_grad_(False)
        model.loss(batch(space), player=player, step=0).loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.get_submodule(player).parameters())
        model.requires_grad_(True)


def test_samples_have_the_labels_asked_for() -> None:
    config = ConditionalGANConfig(conditioning="concatenate", **PLAIN)
    generator = Gaussians(10 * torch.arange(3.0), sigma=0.1)
    model = ConditionalGAN(config, LINE, generator=generator, discriminator=BestDiscriminator())
    c = torch.tensor([2, 0, 1])
    assert (model.sample(3, c)[:, 0] / 10).round().tolist() == [2, 0, 1]
    torch.manual_seed(0)
    counts = np.bincount((model.sample(3000)[:, 0] / 10).round().int().numpy(), minlength=3)
    assert stats.chisquare(counts).pvalue > 1e-4  # false alarms: 1e-4
    assert (model.decode(torch.zeros(5, 1))[:, 0] / 10).round().tolist() == [0, 1, 2, 0, 1]
    assert bool(((draw(model, 70, label=1) - 10).abs() < 1).all())
    truncated = draw(model, 200, label=2, options=ConditionalGANSampling(truncation=0.5))
    assert (truncated - 20).abs().max() <= 0.05 + 1e-6 < (draw(model, 200, label=2) - 20).abs().max()


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"space has shape \(1, 8, 8\) and no classes; .* needs labelled data.* npz with x and y"
    ):
        ConditionalGAN(ConditionalGANConfig(), Space((1, 8, 8)))
    with pytest.raises(ValueError, match="pack is 2"):
        ConditionalGANConfig(pack=2)
    with pytest.raises(ValueError, match="class_weight is 2"):
        ConditionalGANConfig(class_weight=2.0)
    model = ConditionalGAN(ConditionalGANConfig(width=4), LINE)
    unlabelled = batch(LINE)._replace(c=None)
    for player in model.players:
        with pytest.raises(ValueError, match="c is nothing"):
            model.loss(unlabelled, player=player, step=0)
    with pytest.raises(ValueError, match=r"c has shape \(2,\)"):
        model.decode(model.prior(3), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="expected 0 to 2"):
        model.sample(2, torch.tensor([0, 3]))
    wrong = ConditionalGAN(ConditionalGANConfig(conditioning="auxiliary", **PLAIN), LINE, discriminator=nn.Linear(1, 3))
    with pytest.raises(ValueError, match=r"returned shape \(12, 3\)"):
        wrong.loss(batch(LINE), player="discriminator", step=0)
