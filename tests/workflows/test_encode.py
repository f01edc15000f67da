"""Codes of a run's data and of files, from Python."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import veridical as vd
from veridical.config.reading import Reading
from veridical.data.errors import DataError
from veridical.model import Facts
from veridical.workflows.encode import encode_run

QUICK = vd.TrainingConfig(steps=2, batch_size=4, device="cpu")


def quiet(line: str) -> None:
    pass


def folder(place: Path) -> Path:
    """Two classes of two images of 4 x 4 each."""
    for i, name in enumerate(("cat", "cat", "dog", "dog")):
        (place / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray((60 * i + np.arange(16, dtype=np.uint8)).reshape(4, 4)).save(place / name / f"{i}.png")
    return place


def whole(name: str, data: Path) -> vd.RunConfig:
    """All examples of a folder for a preset."""
    return replace(vd.preset(name), data=vd.DataConfig(source=str(data), holdout=0.0))


@pytest.mark.usefixtures("double_precision")  # batches of other sizes round differently
def test_images_have_their_names_and_classes(tmp_path: Path) -> None:
    data = folder(tmp_path / "pets")
    run = vd.train(whole("vae", data), training=QUICK, out=tmp_path / "run", say=quiet)
    found = encode_run(run.path, say=quiet)
    assert [Path(file).relative_to(data).as_posix() for file in found["files"]] == [
        "cat/0.png",
        "cat/1.png",
        "dog/2.png",
        "dog/3.png",
    ]
    assert found["y"].tolist() == [0, 0, 1, 1] and found["class_names"].tolist() == ["cat", "dog"]
    again = encode_run(run.path, [str(data / "dog"), str(data / "cat" / "0.png")], say=quiet)
    np.testing.assert_allclose(again["z"], found["z"][[2, 3, 0]], atol=1e-6)
    assert "y" not in again and again["rows"].tolist() == [0, 1, 0]


def test_data_from_python_are_in_no_file(tmp_path: Path) -> None:
    data = vd.ArrayData(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), name="cloud")
    model = vd.Autoencoder(vd.AutoencoderConfig(latent_dim=2, width=8), Facts(data.space, len(data)))
    run = vd.train(model=model, data=data, training=QUICK, out=tmp_path / "run", say=quiet)
    with pytest.raises(DataError, match=r"passed from Python.*veridical.encode\(model, data\)"):
        encode_run(run.path, model=model, say=quiet)
    np.save(tmp_path / "cloud.npy", data.batch(torch.arange(20)).x.numpy())
    found = encode_run(run.path, [str(tmp_path / "cloud.npy")], model=model, say=quiet)
    np.testing.assert_allclose(found["z"], vd.encode(vd.load(run.path, model=model), data)["z"].numpy(), atol=1e-6)
    with pytest.raises(DataError, match=r"\(2,\)"):
        np.save(tmp_path / "flat.npy", np.random.default_rng(0).normal(size=(5, 2)))
        encode_run(run.path, [str(tmp_path / "flat.npy")], model=model, say=quiet)


def test_codes_of_rows_whose_data_have_changed_are_refused(tmp_path: Path) -> None:
    data = folder(tmp_path / "pets")
    run = vd.train(whole("glo", data), training=QUICK, out=tmp_path / "run", say=quiet)
    assert encode_run(run.path, say=quiet)["z"].shape == (4, 32)
    (data / "dog" / "3.png").unlink()
    with pytest.raises(DataError, match="changed since training"):
        encode_run(run.path, say=quiet)
    with pytest.raises(DataError, match="veridical encode RUN FILE"):
        encode_run(run.path, reading=Reading(size=4), say=quiet)
