"""The linear discriminant: scikit-learn's where nothing is shrunk, and any number of examples."""

import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from veridical.evaluation.linear import LinearDiscriminant


def test_it_is_that_of_scikit_learn() -> None:
    g = torch.Generator().manual_seed(0)
    c = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 50_000, replacement=True, generator=g)
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]])[c] + torch.randn(50_000, 2, generator=g)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x.numpy(), c.numpy())
    ours = LinearDiscriminant(x, c, 3).log_probabilities(x[:100])
    assert ours.exp().numpy() == pytest.approx(theirs.predict_proba(x[:100].numpy()), abs=2e-3)


def test_fewer_examples_than_features_and_an_absent_class() -> None:
    g = torch.Generator().manual_seed(1)
    x, c = torch.randn(20, 50, generator=g), torch.arange(20) % 2
    x[c == 1] += 3.0
    read = LinearDiscriminant(x, c, 3)
    assert read.classify(x).tolist() == c.tolist()
    assert float(read.log_probabilities(x).exp()[:, 2].max()) == 0.0
    with pytest.raises(ValueError, match="one label for each row"):
        LinearDiscriminant(x, c[:3], 2)
