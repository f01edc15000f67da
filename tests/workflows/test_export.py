"""Exported samplers: read by a process without this package, equal to the model, and refused in plain words."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from veridical.cli import run as command
from veridical.config import ConditionalGANConfig, GANConfig, InfoGANConfig, NoiseLevelConfig, VAEConfig
from veridical.config.families.glo import GLOConfig
from veridical.data.space import Space
from veridical.errors import OutputExistsError
from veridical.families.conditional_gan import ConditionalGAN
from veridical.families.gan import GAN
from veridical.families.glo import GLO
from veridical.families.infogan import InfoGAN
from veridical.families.noise_level import NoiseLevel
from veridical.families.vae import VAE
from veridical.model import Facts, GenerativeModel
from veridical.training.logs import MissingPackageError
from veridical.workflows import export
from veridical.workflows.export import CannotExportError, export_sampler, unused
from veridical.workflows.exported import GivenNoise

IMAGES = Space((1, 8, 8), levels=17, support=(-1.0, 1.0), classes=10)
ALONE = """
import sys, torch
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "veridical":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
given = torch.load(sys.argv[2])
program = torch.export.load(sys.argv[1])
torch.save(program.module()(*given), sys.argv[3])
assert "veridical" not in sys.modules
"""


def silent(line: str) -> None:
    pass


def vae() -> GenerativeModel:
    torch.manual_seed(0)
    return VAE(VAEConfig(network="mlp", width=8, latent_dim=3), Facts(IMAGES, 100))


def conditional() -> GenerativeModel:
    torch.manual_seed(0)
    return ConditionalGAN(ConditionalGANConfig(latent_dim=3, width=8), Facts(IMAGES, 100))


def coded() -> GenerativeModel:
    return InfoGAN(InfoGANConfig(latent_dim=3, width=8), Facts(IMAGES, 100))


@pytest.mark.slow
@pytest.mark.parametrize("make", [vae, conditional, coded])
def test_a_process_without_this_package_draws_the_same(make: Callable[[], GenerativeModel], tmp_path: Path) -> None:
    model = make()
    manifest = export_sampler(model, tmp_path / "s.pt2", say=silent)
    assert manifest.rows is None and manifest.shape == (1, 8, 8)
    n = 7  # another number than that of the trial run
    given = [
        torch.randint(noted.high or 2, (n,)) if noted.kind == "integers" else torch.rand(n, *noted.shape)
        for noted in manifest.inputs
    ]
    torch.save(given, tmp_path / "given.pt")
    files = [str(tmp_path / name) for name in ("s.pt2", "given.pt", "x.pt")]
    subprocess.run([sys.executable, "-c", ALONE, *files], check=True, timeout=120, cwd=tmp_path)
    model.eval()
    expected = model.sample(n, noise=GivenNoise(given))  # type: ignore[attr-defined]
    assert torch.allclose(torch.load(tmp_path / "x.pt"), expected, atol=1e-5)


def test_labels_are_an_input(tmp_path: Path) -> None:
    manifest = export_sampler(conditional(), tmp_path / "s.pt2", say=silent)
    assert [(noted.kind, noted.high) for noted in manifest.inputs] == [("integers", 10), ("normal", None)]
    sampler = torch.export.load(tmp_path / "s.pt2").module()
    z = torch.randn(1, 3).expand(10, 3)
    assert sampler(torch.arange(10), z).std(dim=0).sum() > 0


def test_the_printed_line_runs_and_the_file_describes_itself(tmp_path: Path) -> None:
    manifest = export_sampler(vae(), tmp_path / "s.pt2", say=silent)
    done = subprocess.run(
        [sys.executable, "-c", manifest.usage("s.pt2") + "\nprint(tuple(x.shape))"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.stdout == "(64, 1, 8, 8)\n"
    extra = {export.MANIFEST: ""}
    torch.export.load(tmp_path / "s.pt2", extra_files=extra)
    assert json.loads(extra[export.MANIFEST])["inputs"] == [
        {"kind": "normal", "shape": [3], "high": None, "dtype": None}
    ]


def test_the_discriminator_stays_out_of_the_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = GAN(GANConfig(network="mlp", width=8, latent_dim=3), Facts(IMAGES, 100))
    export_sampler(model, tmp_path / "s.pt2", say=silent)
    program = torch.export.load(tmp_path / "s.pt2")
    held = {name for name, tensor in program.state_dict.items() if tensor.numel()}
    assert held and not any("discriminator" in name for name in held)
    assert any("discriminator" in name for name in unused(program))


class Restless(VAE):
    """Draws a number that is not of its noise."""

    def sample(self, n: int, *arguments: object, **options: object) -> torch.Tensor:  # type: ignore[override]
        return super().sample(n, *arguments, **options) + torch.randn(1)  # type: ignore[arg-type]


def test_what_does_not_return_the_same_is_not_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Restless(VAEConfig(network="mlp", width=8, latent_dim=3), Facts(IMAGES, 100))
    with pytest.raises(CannotExportError, match="differs from the model"):
        export_sampler(model, tmp_path / "s.pt2", say=silent)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_graph_is_refused_in_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = NoiseLevel(NoiseLevelConfig(), Facts(Space((2,), kind="vector"), 100))
    with pytest.raises(CannotExportError, match=r"not a graph of tensor operations.*veridical sample RUN"):
        export_sampler(model, tmp_path / "s.pt2", say=silent)
    assert capfd.readouterr().out == ""


def test_other_endings_taken_places_and_a_missing_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotExportError, match=r"ends in '.pth'; expected .pt2 or .onnx"):
        export_sampler(vae(), tmp_path / "s.pth", say=silent)
    (tmp_path / "s.pt2").write_text("precious")
    with pytest.raises(OutputExistsError, match="nothing is overwritten"):
        export_sampler(vae(), tmp_path / "s.pt2", say=silent)
    assert (tmp_path / "s.pt2").read_text() == "precious"
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install onnx onnxscript.*sampler.pt2"):
        export_sampler(vae(), tmp_path / "s.onnx", say=silent)


@pytest.mark.skipif(importlib.util.find_spec("onnxscript") is None, reason="needs onnx and onnxscript")
def test_onnx_draws_the_same(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = vae()
    manifest = export_sampler(model, tmp_path / "s.onnx", say=silent)
    told: dict[str, Any] = {}
    exec(manifest.usage(tmp_path / "s.onnx"), told)
    assert told["x"].shape == (64, 1, 8, 8)
    z = torch.randn(7, 3)
    (x,) = onnxruntime.InferenceSession(str(tmp_path / "s.onnx")).run(None, {"normal_0": z.numpy()})
    model.eval()
    assert torch.allclose(torch.from_numpy(x), model.sample(7, noise=GivenNoise([z])), atol=1e-5)  # type: ignore[attr-defined]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(tmp_path / "run")
    quick = ["--data", "digits", "--steps", "2", "--batch-size", "16", "--network", "mlp", "--width", "8"]
    assert command(["train", "vae", *quick, "--out", where]) == 0
    assert command(["export", where]) == 0
    assert "torch.export.load" in capsys.readouterr().out
    assert (tmp_path / "run" / "sampler.pt2").is_file()
    assert command(["export", where]) == 2
    assert command(["export", "--out", str(tmp_path / "b.pt2"), "--which", "best", where]) == 1
    assert "no best checkpoint" in capsys.readouterr().err


def test_a_density_fitted_to_codes_is_part_of_the_file(tmp_path: Path) -> None:
    """`export_sampler` compares the file with the model; the codes themselves are not in it."""
    torch.manual_seed(0)
    model = GLO(GLOConfig(latent_dim=3, width=4, network="mlp"), Facts(IMAGES, 5_000))
    manifest = export_sampler(model, tmp_path / "s.pt2", say=silent)
    assert [(given.kind, given.shape) for given in manifest.inputs] == [("uniform", ()), ("normal", (3,))]
    assert (tmp_path / "s.pt2").stat().st_size < 4 * model.codes.numel() * 2
    told: dict[str, Any] = {}
    exec(manifest.usage(tmp_path / "s.pt2"), told)  # the component is chosen in double precision
    assert told["x"].shape[1:] == (1, 8, 8)
