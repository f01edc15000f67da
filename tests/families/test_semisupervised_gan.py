import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.config import SemiSupervisedGANConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.families.semisupervised_gan import SemiSupervisedGAN
from veridical.model import Batch, Space
from veridical.training.fit import State, fit

SPACE = Space((2,), "vector", None, None, classes=3)
CONFIG = SemiSupervisedGANConfig(labelled=7, latent_dim=3, width=8, depth=1, fourier_octaves=0)


def batch(n: int = 24, start: int = 0) -> Batch:
    random = torch.Generator().manual_seed(start)
    c = torch.randint(3, (n,), generator=random)
    x = torch.randn(n, 2, generator=random) + 4 * torch.stack([c == 1, c == 2], dim=1)
    return Batch(x, torch.arange(start, start + n), c)


def build(config: SemiSupervisedGANConfig = CONFIG, space: Space = SPACE) -> SemiSupervisedGAN:
    torch.manual_seed(0)
    return SemiSupervisedGAN(config, space)


class Table(nn.Module):
    """A discriminator whose class logits of x = 0, 1, 2, ... stand in a table."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def features(self, x: Tensor) -> Tensor:
        return F.one_hot(x[:, 0].long(), len(self.logits)).to(self.logits.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits[x[:, 0].long()]


def tabled(logits: Tensor) -> SemiSupervisedGAN:
    model = build(CONFIG, replace(SPACE, classes=logits.shape[1]))
    model.discriminator = Table(logits)  # type: ignore[assignment]
    return model


class TestProbabilities:
    def test_real_is_all_classes_together(self) -> None:
        """D = Z/(Z + 1) is 1 minus the probability of the class "fake", whose logit is 0."""
        logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        model = tabled(logits)
        x = torch.arange(5.0)[:, None].expand(-1, 2)
        fake = torch.cat([logits, torch.zeros(5, 1)], dim=1).softmax(1)[:, -1]
        z = logits.exp().sum(1)
        torch.testing.assert_close(model.real_logits(x).sigmoid(), z / (z + 1))
        torch.testing.assert_close(model.real_logits(x).sigmoid(), 1 - fake)

    def test_loss_is_that_of_the_paper(self) -> None:
        """CE + 1/2 [-E lse(x) + E sp(lse(x)) + E sp(lse(G))], with every quantity written out."""
        model = build()
        b = batch()
        torch.manual_seed(3)
        loss, terms = model.discriminator_loss(b, 0)
        torch.manual_seed(3)
        x_fake = model.decode(model.prior(len(b.x)))
        x, c = model.draw_labelled(len(b.x))
        lse, lse_fake = model.real_logits(b.x), model.real_logits(x_fake)
        unlabelled = (-lse.mean() + F.softplus(lse).mean() + F.softplus(lse_fake).mean()) / 2
        torch.testing.assert_close(loss, F.cross_entropy(model.class_logits(x), c) + unlabelled)
        assert terms["class_loss"].item() == pytest.approx(F.cross_entropy(model.class_logits(x), c).item())

    def test_optimal_classifier(self) -> None:
        """On a finite space with labels everywhere, gradient descent reaches Z = p/q and p(k | x), as it must.

        p = (0.2, 0.5, 0.3) of the points, q = (0.4, 0.2, 0.4), classes as drawn.
        """
        p, q = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.4, 0.2, 0.4])
        classes = torch.tensor([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])
        table = Table(torch.zeros(3, 2))
        optimizer = torch.optim.LBFGS(table.parameters(), max_iter=200, tolerance_grad=1e-9)

        def loss() -> Tensor:
            optimizer.zero_grad()
            log_z = table.logits.logsumexp(1)
            supervised = -(p[:, None] * classes * table.logits.log_softmax(1)).sum()
            value = supervised + ((p * F.softplus(-log_z)).sum() + (q * F.softplus(log_z)).sum()) / 2
            value.backward()
            return value

        optimizer.step(loss)  # type: ignore[arg-type]
        model = tabled(table.logits.detach())
        x = torch.arange(3.0)[:, None].expand(-1, 2)
        torch.testing.assert_close(model.real_logits(x).exp(), p / q, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(model.classify(x).softmax(1), classes, rtol=1e-3, atol=1e-3)


class TestGenerator:
    def test_feature_matching(self) -> None:
        model = build()
        b = batch()
        torch.manual_seed(3)
        loss, _ = model.generator_loss(b, 0)
        torch.manual_seed(3)
        x_fake = model.decode(model.prior(len(b.x)))
        expected = (model.features(b.x).mean(0) - model.features(x_fake).mean(0)).abs().mean()
        torch.testing.assert_close(loss, expected)

    def test_it_rests_where_the_means_agree(self) -> None:
        model = tabled(torch.zeros(4, 3))
        model.generator = nn.Sequential(nn.Linear(3, 2), Lookup())
        x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
        assert float(model.generator_loss(Batch(x, torch.arange(4), None), 0).loss) == 0.0

    def test_its_gradient_does_not_reach_the_labels(self) -> None:
        model = build()
        model.generator_loss(batch()._replace(c=None), 0).loss.backward()
        assert (model.labelled_index < 0).all()
        assert all(p.grad is not None for p in model.generator.parameters())


class Lookup(nn.Module):
    """Returns 3, 2, 1, 0 whatever the codes are."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([torch.arange(3.0, -1.0, -1.0), torch.zeros(4)], dim=1) + 0 * x


class TestLabels:
    def test_every_class_has_its_share_and_no_more_is_used(self) -> None:
        model = build()
        for start in range(0, 96, 24):
            model.keep_labelled(batch(start=start))
        assert model.quota.tolist() == torch.bincount(model.labelled_c).tolist() == [3, 2, 2]
        assert len(model.labelled_index.unique()) == 7

    def test_they_are_the_first_of_each_class_whatever_the_batches(self) -> None:
        x, c = torch.arange(60.0)[:, None].expand(-1, 2), torch.arange(60) // 7 % 3
        kept = []
        for size in (5, 12, 60):
            model = build()
            for rows in torch.arange(60).split(size):
                model.keep_labelled(Batch(x[rows], rows, c[rows]))
            kept.append(sorted(model.labelled_index.tolist()))
            assert torch.equal(model.labelled_x[:, 0].long(), model.labelled_index)
            assert torch.equal(model.labelled_c, c[model.labelled_index])
        assert kept[0] == kept[1] == kept[2] == [0, 1, 2, 7, 8, 14, 15]

    def test_an_example_is_kept_once(self) -> None:
        model = build(replace(CONFIG, labelled=9))
        few = Batch(torch.zeros(3, 2), torch.arange(3), torch.arange(3))
        for _ in range(4):
            model.keep_labelled(few)
        assert sorted(model.labelled_index.tolist()) == [-1] * 6 + [0, 1, 2]

    def test_other_labels_change_nothing(self) -> None:
        """Once the shares are full, false labels give the same loss."""
        model = build()
        for start in (0, 24):
            model.keep_labelled(batch(start=start))
        losses = []
        for shift in (0, 1):
            b = batch(start=96)
            assert b.c is not None
            torch.manual_seed(5)
            losses.append(model.discriminator_loss(b._replace(c=(b.c + shift) % 3), 0).loss)
        assert torch.equal(*losses)

    def test_they_are_saved(self) -> None:
        model, other = build(), build()
        model.keep_labelled(batch())
        other.load_state_dict(model.state_dict())
        assert torch.equal(other.labelled_x, model.labelled_x)

    def test_drawing_is_uniform_over_those_kept(self) -> None:
        """Chi-squared with 2 degrees of freedom: false alarm 1e-4 at 18.4."""
        model = build()
        model.keep_labelled(Batch(torch.zeros(3, 2), torch.arange(3), torch.arange(3)))
        torch.manual_seed(0)
        counts = torch.bincount(model.draw_labelled(3000)[1], minlength=3).double()
        assert float(((counts - 1000) ** 2 / 1000).sum()) < 18.4


def test_it_learns_to_classify_from_a_label_per_class() -> None:
    """Three Gaussians 4 widths apart; chance is 33 %, the best classifier errs on 3 %."""
    b = batch(600)
    data = ArrayData(b.x, b.c)
    model = build(replace(CONFIG, labelled=3, width=32, discriminator_depth=2), data.space)
    fit(State(model, steps=300), Loader(data, 60))
    assert b.c is not None
    assert float((model.eval().classify(b.x).argmax(1) == b.c).float().mean()) > 0.85


def test_classify_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"built for \(2,\)"):
        build().classify(torch.zeros(4, 3))


@pytest.mark.parametrize(("classes", "labels"), [(None, 7), (8, 7)])
def test_it_needs_a_label_for_every_class(classes: int | None, labels: int) -> None:
    with pytest.raises(ValueError, match="needs labelled data"):
        build(replace(CONFIG, labelled=labels), replace(SPACE, classes=classes))


def test_batches_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="no labels"):
        build().discriminator_loss(batch()._replace(c=None), 0)


@pytest.mark.parametrize(
    "choice", [{"relativistic": True}, {"objective": "hinge"}, {"pack": 2}, {"minibatch": "stddev"}, {"labelled": 0}]
)
def test_choices_without_meaning_are_refused(choice: dict) -> None:
    with pytest.raises(ValueError):
        replace(CONFIG, **choice)


def test_smoothing_moves_the_optimal_logit() -> None:
    """With one-sided smoothing D = (1 - alpha) p / (p + q); where p = q and alpha = 0.1 the loss is flat at 0.45."""
    logit = math.log(0.45 / 0.55)
    for shift, flat in ((0.0, True), (0.2, False)):
        model = build(replace(CONFIG, smoothing=0.1))
        model.discriminator = Table(torch.full((1, 3), logit - math.log(3) + shift))  # type: ignore[assignment]
        model.generator = nn.Sequential(nn.Linear(3, 2), Zero())
        loss, _ = model.discriminator_loss(Batch(torch.zeros(6, 2), torch.arange(6), torch.arange(6) % 3), 0)
        loss.backward()
        assert model.discriminator.logits.grad is not None  # type: ignore[union-attr]
        assert (abs(float(model.discriminator.logits.grad.sum())) < 1e-6) == flat  # type: ignore[union-attr, operator]


class Zero(nn.Module):
    """Returns the origin whatever the codes are."""

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x
