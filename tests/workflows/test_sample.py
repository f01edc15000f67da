"""Samples on disk: nothing is overwritten, and what is written is what was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from veridical.config.families.adversarial import AdversarialSampling
from veridical.config.families.vae import VAEConfig, VAESampling
from veridical.data.space import Space
from veridical.errors import OutputExistsError, RequestError
from veridical.families.vae import VAE
from veridical.run import Run
from veridical.sampling import draw, draw_blocks
from veridical.workflows import sample


@pytest.fixture(scope="module")
def model() -> VAE:
    torch.manual_seed(0)
    return VAE(VAEConfig(network="mlp", width=8, latent_dim=3), Space((1, 8, 8))).eval()


def test_a_grid_an_array_and_a_folder(model: VAE, tmp_path: Path) -> None:
    for out in (tmp_path / "grid.png", tmp_path / "array.npz", tmp_path / "folder"):
        sample.save(draw_blocks(model, 70), 70, model, out, print)
    x = np.load(tmp_path / "array.npz", allow_pickle=False)["x"]
    assert x.shape == (70, 1, 8, 8) and np.array_equal(x, draw(model, 70).numpy())
    files = sorted((tmp_path / "folder").iterdir())
    assert [file.name for file in files[:2]] == ["00.png", "01.png"]
    assert len(files) == 70
    pixels = np.asarray(Image.open(files[69]))
    assert np.array_equal(pixels, np.clip(np.round((x[69, 0] + 1) * 127.5), 0, 255).astype(np.uint8))
    with pytest.raises(OutputExistsError, match="nothing is overwritten"):
        sample.require_output(tmp_path / "grid.png")


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sample.NoSuchFormatError, match=r"expected a \.png"):
        sample.require_output(tmp_path / "x.gif")
    plane = Space((2,), kind="vector", support=None, levels=None)
    points = VAE(VAEConfig(network="mlp", width=8, latent_dim=3), plane)
    with pytest.raises(ValueError, match=r"Use \.npz"):
        sample.save(draw_blocks(points, 3), 3, points, tmp_path / "folder", print)


def test_the_shipped_classifier_is_found_where_it_can_judge(model: VAE) -> None:
    garments = VAE(VAEConfig(network="mlp", width=8, latent_dim=3), Space((1, 28, 28))).eval()
    for parameter in garments.parameters():
        parameter.data.mul_(4)  # images that differ
    options = VAESampling(condition="8", condition_steps=20)
    logits = sample.classifier_for(garments, options)
    assert logits is not None
    plain, guided = draw(garments, 64, seed=1), draw(garments, 64, seed=1, options=options, classifier=logits)
    means = [float(logits(x).log_softmax(dim=1)[:, 8].mean()) for x in (guided, plain)]
    assert means[0] > means[1]
    assert sample.classifier_for(garments, VAESampling()) is None
    assert sample.classifier_for(model, AdversarialSampling(condition="data")) is None
    with pytest.raises(ValueError, match=r"needs images \(1, 28, 28\); this model generates \(1, 8, 8\)"):
        sample.classifier_for(model, options)
    with pytest.raises(ValueError, match="the classes 0 to 9"):
        sample.classifier_for(garments, VAESampling(condition="10"))


def test_a_class_is_found_by_number_or_name_and_a_misspelt_one_is_a_wrong_request(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    data = {"name": "pets", "digest": "0", "n": 2, "class_names": ["cat", "dog"]}
    run.write_json("environment.json", {"space": {"shape": [1, 8, 8], "classes": 2}, "data": data})
    assert [sample.label_of(run, name) for name in (None, "dog", "0")] == [None, 1, 0]
    for wrong, said in (("dgo", "Did you mean 'dog'"), ("7", "number from 0 to 1")):
        with pytest.raises(RequestError, match=said):
            sample.label_of(run, wrong)


@pytest.mark.parametrize("out", ["x.npz", "x.png", "x"])
def test_an_interrupted_file_leaves_nothing_under_its_name(
    out: str, model: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: written in place, half of it stays under its final name."""

    def half(file: object, *_: object, **__: object) -> None:
        Path(file if isinstance(file, Path) else str(getattr(file, "name", ""))).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", half)
    monkeypatch.setattr(Image.Image, "save", lambda image, file: half(file))
    with pytest.raises(OSError, match="no space left"):
        sample.save(draw_blocks(model, 3), 3, model, tmp_path / out, print)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_more_samples_than_memory_are_refused_before_the_first(model: VAE, tmp_path: Path) -> None:
    """Mutant: the array is joined block by block until the memory is full."""
    for refused in (
        lambda: draw(model, 10**13),
        lambda: sample.save(iter(()), 10**13, model, tmp_path / "x.npz", print),
    ):
        with pytest.raises(ValueError, match=r"GB of memory, and .* are free"):
            refused()
    with pytest.raises(ValueError, match="at most 100,000"):
        sample.save(iter(()), 10**6, model, tmp_path / "x.png", print)
