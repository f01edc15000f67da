"""Models of p(x | label): what those that left no label out in training cannot compute, and what they say of it."""

from pathlib import Path

import pytest
import torch
from tests.workflows.runs import lines, silent

from veridical.config import DataConfig, RunConfig, TrainingConfig
from veridical.config.families.diffusion import DiffusionConfig
from veridical.config.families.flow_matching import FlowMatchingConfig, FlowMatchingSampling
from veridical.data.dataset import ArrayData
from veridical.evaluation import evaluate
from veridical.evaluation.density import find_density, only_of_classes
from veridical.families.diffusion import Diffusion
from veridical.families.flow_matching import FlowMatching
from veridical.families.guided import Guided
from veridical.sampling import draw
from veridical.workflows.load import load
from veridical.workflows.start import train

FAMILIES = {
    "Diffusion": lambda space, **choices: Diffusion(DiffusionConfig(width=8, depth=1, **choices), space),
    "FlowMatching": lambda space, **choices: FlowMatching(FlowMatchingConfig(width=8, depth=1, **choices), space),
}


def labelled(levels: int | None) -> ArrayData:
    generator = torch.Generator().manual_seed(0)
    x, c = torch.randn(40, 2, generator=generator), torch.arange(40) % 3
    return ArrayData(x if levels is None else (x > 0).float(), c)


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("name", FAMILIES)
def test_an_evaluation_says_that_there_is_no_density_without_labels(name: str, levels: int | None) -> None:
    data = labelled(levels)
    model = FAMILIES[name](data.space, labels=True, label_dropout=0.0, evaluations=4, likelihood_steps=2)
    reason = f"this {name} learned p(x | c) alone, and p(x) of an example without its label is not known"
    assert only_of_classes(model) == find_density(model) == reason
    found = evaluate(model, data, None, n=30)
    assert {metric: found.skipped[metric] for metric in ("likelihood", "solver", "denoising")} == dict.fromkeys(
        ("likelihood", "solver", "denoising"), reason
    )
    assert found.measurements


@pytest.mark.parametrize("choices", [{"labels": True}, {"labels": False, "label_dropout": 0.0}])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_that_learned_p_of_x_has_a_density(name: str, choices: dict[str, float]) -> None:
    model = FAMILIES[name](labelled(None).space, **choices)
    assert isinstance(model, Guided) and not model.needs_class
    assert only_of_classes(model) is None and not isinstance(find_density(model), str)


def test_training_probes_what_can_be_computed(tmp_path: Path) -> None:
    config = RunConfig(
        FlowMatchingConfig(network="mlp", width=8, depth=1, labels=True, label_dropout=0.0),
        DataConfig(source="digits"),
        TrainingConfig(steps=2, batch_size=8, log_every=1, probe_every=1, device="cpu"),
    )
    run = train(config, out=tmp_path / "run", say=silent)
    assert not any(key.startswith("probe/nats") for row in lines(run) for key in row)
    model = load(run)
    assert torch.equal(draw(model, 4), draw(model, 4, options=FlowMatchingSampling()))  # labels are drawn for both
