"""What is measured: held-out rows, drawn without repetition; the law of the data in their space."""

import torch

from tests.evaluation.models import Law, data_of
from veridical.evaluation.subject import Subject
from veridical.targets import GaussianMixture

CLOUD = GaussianMixture(torch.zeros(1, 2), 1.0, name="cloud")


def subject(n: int = 50, seed: int = 0, known: bool = True, test: bool = True) -> Subject:
    held_out = data_of(CLOUD, 20, 1) if test else None
    samples = torch.zeros(30, 2)
    return Subject(Law(CLOUD), samples, data_of(CLOUD, 40, 0, known), held_out, n, seed, None, lambda line: None)


def test_examples_are_held_out_ones_and_training_ones_where_there_are_none() -> None:
    s = subject()
    rows = torch.tensor([3, 0])
    assert s.test is not None and torch.equal(s.examples(rows), s.test.batch(rows).x)
    assert torch.equal(subject(test=False).examples(rows), s.train.batch(rows).x)


def test_rows_are_drawn_once_each_and_the_same_for_the_same_seed() -> None:
    s = subject()
    assert sorted(s.some(s.train, 100).tolist()) == list(range(40))
    assert len(set(s.some(s.train, 7).tolist())) == 7
    assert torch.equal(s.some(s.train, 7), subject().some(s.train, 7))
    assert not torch.equal(s.some(s.train, 7), subject(seed=1).some(s.train, 7))


def test_the_law_is_known_where_the_data_carry_it() -> None:
    target = subject().target
    assert target is not None and target.law.name == "cloud"
    assert subject(known=False).target is None


def test_features_of_vectors_are_their_coordinates() -> None:
    features = subject().features
    assert features.extractor.name == "coordinates"
    assert len(features.generated) == 30 and len(features.train) == 40
    assert features.test is not None and len(features.test) == 20
