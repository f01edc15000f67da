"""The whole evaluation on data whose verdict is known, and its promise to repeat."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tests.evaluation.models import Bounded, Law, data_of
from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.evaluation import METRICS, Evaluation, evaluate, evaluate_samples
from veridical.evaluation.extractors import Extractor, Fashion28
from veridical.model import Space
from veridical.sampling import draw
from veridical.targets import GaussianMixture, grid
from veridical.verdict import NO_FAULT

CLOUD = GaussianMixture(3 * torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), 1.0, name="cloud")
SHAPE = Space((8,), kind="vector", support=None, levels=None)


def cloud(n: int, seed: int) -> Tensor:
    return CLOUD.sample(n, torch.Generator().manual_seed(seed), torch.float32)


class Images(NamedTuple):
    """Training images, held-out ones in two disjoint halves, null and stand-in for a model, and their features."""

    train: ArrayData
    null: ArrayData
    model: ArrayData
    extractor: Extractor


class Remembering:
    """`fashion-28`, which sees each batch once: the tests below share their training data."""

    def __init__(self) -> None:
        self.extractor, self.seen = Fashion28(), dict[bytes, Tensor]()
        self.name, self.version, self.dim = "fashion-28", self.extractor.version, self.extractor.dim

    def __call__(self, images: Tensor) -> Tensor:
        key = images.numpy().tobytes()
        if key not in self.seen:
            self.seen[key] = self.extractor(images)
        return self.seen[key]


@pytest.fixture(scope="module")
def images() -> Images:
    train, test = (load(DataConfig(source="fashion-mnist-10k"), split) for split in ("train", "test"))
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    rows = torch.arange(3000)
    return Images(train.subset(rows), test.subset(order[:1000]), test.subset(order[1000:]), Remembering())


def examples(data: ArrayData, rows: Tensor | None = None) -> Tensor:
    return data.batch(torch.arange(len(data)) if rows is None else rows).x


def verdicts(found: Evaluation) -> dict[str, str]:
    return {m.name: m.verdict for m in found.measurements}


def says(found: Evaluation, text: str) -> bool:
    return any(text in sentence for sentence in found.summary())


@pytest.mark.parametrize("held_out", [True, False])
def test_real_images_get_an_all_clear(images: Images, held_out: bool) -> None:
    train, null, model, extractor = images
    found = evaluate_samples(examples(model), train, null if held_out else None, extractor=extractor)
    assert set(verdicts(found).values()) <= set(NO_FAULT)
    assert len(found.measurements) == 12
    for text in (
        "shows no difference",
        "No sign of a missing part",
        "No sign of samples unlike data",
        "No sign of memorising",
    ):
        assert says(found, text), found.summary()


def test_training_images_are_memorised(images: Images) -> None:
    train, null, _, extractor = images
    found = evaluate_samples(examples(train, torch.arange(1000)), train, null, extractor=extractor)
    assert found["memorised"].value > 0.97 and found["copied"].value > 0.97
    assert found["memorised"].verdict == found["copied"].verdict == "short of perfect"
    assert says(found, "The model memorises: at least 99") and says(found, "1,000 are exact copies")


def test_a_twentieth_of_copies_is_found(images: Images) -> None:
    train, null, model, extractor = images
    mixed = torch.cat([examples(model)[:950], examples(train, torch.arange(50))])
    found = evaluate_samples(mixed, train, null, extractor=extractor, metrics=["memorisation"])
    low, high = found["copied"].interval or (1.0, 0.0)
    assert low < 0.05 < high and says(found, "The model memorises: at least")


def test_dropped_classes_are_missed(images: Images) -> None:
    train, null, model, extractor = images
    assert model.labels is not None
    kept = examples(model)[(model.labels != 1) & (model.labels != 8) & (model.labels != 5)]
    found = evaluate_samples(kept, train, null, extractor=extractor)
    said = verdicts(found)
    assert said["coverage"] == said["recall"] == said["fid"] == said["kid"] == "short of perfect"
    assert {said["precision"], said["memorised"], said["copied"]} <= set(NO_FAULT)
    assert says(found, "The samples miss a part of the distribution")
    few = evaluate_samples(examples(model)[model.labels == 1], train, null, extractor=extractor, metrics=["prdc"])
    assert says(few, "Mode collapse: the samples cover only a small part of the distribution")


def test_noise_does_not_look_like_data(images: Images) -> None:
    train, null, _, extractor = images
    noise = 2 * torch.rand(500, 1, 28, 28, generator=torch.Generator().manual_seed(0)) - 1
    found = evaluate_samples(noise, train, null, extractor=extractor)
    said = verdicts(found)
    assert {said[name] for name in ("fid", "kid", "precision", "recall", "density", "coverage")} == {"short of perfect"}
    assert {said["memorised"], said["copied"]} <= set(NO_FAULT)
    assert says(found, "do not look like data") and says(found, "does not show that a part is missing")


def test_a_perfect_model_of_a_known_law() -> None:
    law = grid()
    found = evaluate(Law(law), data_of(law, 3000, 0), data_of(law, 1000, 1), n=3000)
    names = [
        "kl_forward",
        "kl_reverse",
        "effective_share",
        "cross_entropy",
        "modes",
        "high_quality",
        "mode_kl",
        "mode_width",
    ]
    assert list(verdicts(found)) == [*names, "nats_train", "nats_test", "overfit_nats"]
    assert verdicts(found).pop("nats_train") == "no reference"
    assert set(verdicts(found).values()) <= {*NO_FAULT, "no reference"}
    assert says(found, "The samples cover 25 of 25 modes") and says(found, "consistent with the 0 of a perfect model")
    assert says(found, "No sign of overfitting")
    assert (
        set(found.skipped) >= {"stacks", "outcomes", "fid", "kid", "prdc", "memorisation"} and found.extractor is None
    )


def test_a_collapsed_model_of_a_known_law() -> None:
    law = grid()
    few = GaussianMixture(law.means[:5], 0.5 * law.sigma)
    found = evaluate(Law(few), data_of(law, 1000, 0), data_of(law, 500, 1), n=1000)
    for text in (
        "Mode collapse: the samples cover 5 of 25 modes",
        "wrong proportions",
        "The modes are too narrow",
        "KL(data",
    ):
        assert says(found, text), found.summary()
    assert found.summary()[0].startswith("Of ")
    wild = evaluate(Law(GaussianMixture(torch.zeros(1, 2), 3.0)), data_of(law, 1000, 0), None, n=1000)
    assert says(wild, "Too many samples lie outside the modes") and not says(wild, "collapse")


@pytest.mark.parametrize("fault", ["none", "narrow", "shifted"])
def test_vectors_without_a_law_are_compared_by_coordinates(fault: str) -> None:
    train, test = (ArrayData(cloud(n, seed), space=SHAPE, name="cloud") for n, seed in ((3000, 0), (1000, 1)))
    x = cloud(1000, 2)
    narrow = GaussianMixture(CLOUD.means, 0.6).sample(1000, torch.Generator().manual_seed(3), torch.float32)
    x = {"none": x, "narrow": narrow, "shifted": x + 0.5}[fault]
    found = evaluate_samples(x, train, test)
    said = verdicts(found)
    assert found.extractor == "coordinates (1)" and len(said) == 12
    if fault == "none":
        assert set(said.values()) <= set(NO_FAULT)
    elif fault == "narrow":
        assert said["precision"] == said["density"] == "suspicious" and said["recall"] == "short of perfect"
        assert said["memorised"] == "short of perfect" and said["copied"] in NO_FAULT
        assert says(found, "more typical than real data") and says(found, "too little variety or blur, no copies")
    else:
        assert said["fid"] == said["kid"] == "short of perfect" and says(found, "The samples differ from the data")


def test_equal_seeds_give_equal_numbers_whatever_the_generators_do() -> None:
    law, model = CLOUD, Law(CLOUD)
    train, test = data_of(law, 300, 0, known=False), data_of(law, 200, 1, known=False)
    torch.manual_seed(1)
    first = evaluate(model, train, test, n=200, seed=7)
    before = torch.get_rng_state()
    torch.rand(5)
    second = evaluate(model, train, test, n=200, seed=7)
    plain, again = (
        [{k: v for k, v in m.to_json().items() if k != "seconds"} for m in e.measurements] for e in (first, second)
    )
    assert plain == again
    torch.set_rng_state(before)
    evaluate(model, train, test, n=200, seed=8)
    assert torch.equal(torch.get_rng_state(), before)
    assert evaluate(model, train, test, n=200, seed=8)["fid"].value != first["fid"].value


def test_the_model_is_measured_in_evaluation_mode_and_given_back_as_it_was() -> None:
    model = Law(CLOUD).train()
    draws = evaluate(model, data_of(CLOUD, 60, 0), data_of(CLOUD, 60, 1), n=60, metrics=["coverage"])
    assert draws.n == 60 and model.training and set(model.modes_seen) == {False}


def test_a_model_that_cannot_sample_is_scored() -> None:
    found = evaluate(Bounded(CLOUD, 0.2), data_of(CLOUD, 300, 0), data_of(CLOUD, 300, 1), n=300)
    assert list(verdicts(found)) == ["kl_forward", "nats_train", "nats_test", "overfit_nats"]
    assert found.skipped["fid"] == "Bounded cannot sample"
    assert says(found, "KL(data || model) is at most") and says(found, "Held-out examples score at least")
    with pytest.raises(ValueError, match="Bounded cannot be sampled"):
        draw(Bounded(CLOUD, 0.2), 3)


def test_json_keeps_everything() -> None:
    found = evaluate(Law(CLOUD), data_of(CLOUD, 100, 0, False), data_of(CLOUD, 100, 1, False), n=50)
    text = json.dumps({**found.to_json(), "summary": found.summary()}, allow_nan=False)
    again = Evaluation.from_json(json.loads(text))
    assert again.to_json() == found.to_json() and again.summary() == found.summary()
    assert again["fid"].value == found["fid"].value
    with pytest.raises(KeyError, match="was not measured"):
        again["inception score"]


def test_small_sets_are_skipped_with_a_reason() -> None:
    found = evaluate_samples(cloud(10, 0), data_of(CLOUD, 100, 0, False), None)
    assert not found.measurements and found.skipped["prdc"].startswith("10 samples are too few")
    assert {"fid", "prdc"} <= set(found.too_few)
    assert not {"divergence", "coverage", "class_match"} & set(found.too_few)  # no number of examples would help
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))).too_few == found.too_few
    assert found.summary() == ["No measurement has a reference value, so there is no verdict."]


def test_progress_is_told_in_lines() -> None:
    lines: list[str] = []
    data = data_of(CLOUD, 100, 0, False)
    evaluate(Law(CLOUD), data, None, n=50, metrics=["fid"], progress=lines.append)
    assert lines[0] == "drawing 50 samples, seed 0" and "measuring fid" in lines


def test_slow_models_are_counted_while_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    data, lines, whole = data_of(CLOUD, 100, 0, False), [], []
    evaluate(Law(CLOUD), data, None, n=600, metrics=["fid"], progress=whole.append)
    assert not any(line.startswith("samples drawn") for line in whole)
    monkeypatch.setattr("veridical.evaluation.features.SECONDS_BETWEEN_LINES", -1.0)
    evaluate(Law(CLOUD), data, None, n=600, metrics=["fid"], progress=lines.append)
    drawn = [line for line in lines if line.startswith("samples drawn")]
    assert drawn == [f"samples drawn: {count} of 600" for count in (256, 512, 600)]


def test_samples_are_drawn_only_for_metrics_that_see_them() -> None:
    lines: list[str] = []
    data = data_of(CLOUD, 100, 0)
    evaluate(Law(CLOUD), data, None, n=50, metrics=["likelihood"], progress=lines.append)
    assert lines == ["measuring likelihood"]
    both = evaluate(Law(CLOUD), data, None, n=50, metrics=["divergence"], progress=lines.append)
    assert lines[1] == "drawing 50 samples, seed 0" and both["kl_reverse"].n == 50


def test_all_that_is_missing_is_said_before_anything_is_measured() -> None:
    lines: list[str] = []
    with pytest.raises(ValueError, match=r"'coverage' cannot be measured.*'codes' cannot be measured.*Leave them out"):
        evaluate_samples(
            cloud(50, 0),
            data_of(CLOUD, 100, 0, False),
            None,
            metrics=["fid", "coverage", "codes"],
            progress=lines.append,
        )
    assert not lines


def test_what_cannot_be_measured_is_refused() -> None:
    data = data_of(CLOUD, 100, 0, False)
    with pytest.raises(ValueError, match="Did you mean fid"):
        evaluate_samples(cloud(50, 0), data, None, metrics=["fdi"])
    with pytest.raises(ValueError, match="the distribution of the data is not known, so it has no modes"):
        evaluate_samples(cloud(50, 0), data, None, metrics=["coverage"])
    with pytest.raises(ValueError, match="the data are \\(n, 8\\)"):
        evaluate_samples(torch.zeros(50, 3), data, None)
    broken = cloud(50, 0)
    broken[3, 0] = torch.nan
    with pytest.raises(ValueError, match="1 of 50 samples"):
        evaluate_samples(broken, data, None)
    with pytest.raises(ValueError, match="pass the model's own data"):
        evaluate(Law(grid()), data, None)


def test_images_are_rounded_to_what_a_file_would_hold() -> None:
    train = ArrayData(torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte())
    exact = examples(train, torch.arange(30))
    rough = exact + 0.003 * torch.rand(exact.shape, generator=torch.Generator().manual_seed(1))
    a, b = (evaluate_samples(x, train, None, metrics=["memorisation"]) for x in (exact, rough))
    assert a["memorised"].value == b["memorised"].value
    assert b["memorised"].detail["exact_copies"] == 30


def test_the_table_of_metrics_is_what_the_documentation_says() -> None:
    def named() -> Iterator[str]:
        table = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text().partition("## What is measured")[2]
        table = table.partition("What does not apply")[0]
        yield from re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)

    assert list(METRICS) == list(named())


def test_with_too_few_examples_nothing_is_praised() -> None:
    """Twenty held-out images give shares whose intervals run from 0 to 1: that is no all-clear."""
    from veridical.evaluation.measurement import Measurement
    from veridical.evaluation.summary import _fidelity, _spread

    def share(name: str) -> Measurement:
        return Measurement(
            name,
            0.0,
            "share",
            20,
            True,
            (0.0, 1.0),
            reference=0.95,
            reference_kind="null",
            reference_interval=(0.0, 1.0),
        )

    for said in (_spread({"recall": share("recall")}), _fidelity({"precision": share("precision")})):
        assert said[0].startswith("There are too few examples to decide")
