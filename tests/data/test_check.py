from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.config import DataConfig
from veridical.data.check import FEW_HELD_OUT, CheckReport, Finding, check
from veridical.data.source import batch_size
from veridical.data.sources import load
from veridical.evaluation.needs import FEWEST

RNG = np.random.default_rng(0)


def images(folder: Path, n: int, size: int = 8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(RNG.integers(0, 256, (size, size), dtype=np.uint8)).save(folder / f"{i:04d}.png")
    return folder


def found(report: CheckReport, severity: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity == severity]


def test_good_data_have_no_findings() -> None:
    report = check(DataConfig(source="fashion-mnist-10k"), batch_size=64)
    assert report.ok and report.findings == ()
    assert report.summary.startswith("10,000 images of 1x28x28, 256 levels, 10 classes (T-shirt/top, trouser, ")


def test_vectors_are_described_as_what_they_are() -> None:
    assert check(DataConfig(source="ring")).summary.startswith("100,000 vectors of 2, continuous, no labels")


def test_a_good_folder(tmp_path: Path) -> None:
    report = check(DataConfig(source=str(images(tmp_path, 1200))))
    assert report.ok and report.findings == ()
    assert report.summary == f"1,200 images of 1x8x8 in {tmp_path}, no labels, 120 of them held out"


def test_what_is_held_out_does_not_fill_a_batch(tmp_path: Path) -> None:
    images(tmp_path, 10)
    assert not any("batch" in f.message for f in check(DataConfig(source=str(tmp_path)), batch_size=9).findings)
    report = check(DataConfig(source=str(tmp_path)), batch_size=10)
    assert report.ok  # training shrinks the batch
    assert "9 examples are fewer than a batch of 10: batches become 9" in [f.message for f in report.findings]


def test_everything_wrong_is_found_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    images(folder / "a", 30, size=64)
    images(folder / "b", 2, size=64)
    content = (folder / "a" / "0000.png").read_bytes()
    (folder / "a" / "0001.png").write_bytes(content)
    (folder / "a" / "0002.png").write_bytes(content[: len(content) // 2])
    (folder / "a" / "0003.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("hello")
    report = check(DataConfig(source=str(folder)), batch_size=64)
    assert not report.ok
    (bad,) = found(report, "error")
    assert "2 of 32 images" in bad.message and "0002.png" in bad.message and "--on-bad skip" in bad.remedy
    doubles, batch, few, held, imbalance = found(report, "warning")
    assert "fewer than a batch of 64" in batch.message and "27 examples are few" in few.message
    assert "3 held-out examples are too few" in held.message and "--holdout" in held.remedy
    assert "1 images equal another" in doubles.message and "0001.png" in doubles.message
    assert imbalance.message == "class a has 28 examples, class b has 2"
    assert [note.message for note in found(report, "note")] == ["1 other files left out (1 .txt)"]


def test_mixed_sizes_and_bad_files_are_both_found(tmp_path: Path) -> None:
    images(tmp_path, 3)
    Image.new("L", (9, 9)).save(tmp_path / "z.png")
    (tmp_path / "y.png").write_bytes(b"no image")
    errors = found(check(DataConfig(source=str(tmp_path))), "error")
    assert "1 of 5 images" in errors[0].message
    assert "2 sizes" in errors[1].message and "--size 8 --fit crop" in errors[1].remedy


def test_bad_files_that_are_left_out_are_a_warning(tmp_path: Path) -> None:
    images(tmp_path, 3)
    (tmp_path / "y.png").write_bytes(b"no image")
    report = check(DataConfig(source=str(tmp_path), on_bad="skip"))
    assert report.ok and "1 of 4" in found(report, "warning")[0].message


@pytest.mark.parametrize("source", ["", "mnits", "/no/such/place"])
def test_no_data(source: str) -> None:
    report = check(DataConfig(source=source))
    assert not report.ok and found(report, "error")[0].remedy


def test_both_folders_of_a_split_are_checked(tmp_path: Path) -> None:
    images(tmp_path / "train", 5)
    images(tmp_path / "test", 2)
    (tmp_path / "test" / "bad.png").write_bytes(b"no image")
    report = check(DataConfig(source=str(tmp_path)))
    assert not report.ok
    assert "5 images" in report.summary and "2 images" in report.summary


def test_what_check_passes_training_takes(tmp_path: Path) -> None:
    """40 images and the default batch of 64: said by both, refused by neither."""
    images(tmp_path, 40)
    config = DataConfig(source=str(tmp_path))
    report = check(config)
    assert report.ok and any("batches become 36" in finding.message for finding in report.findings)
    data = load(config)
    assert batch_size(data, config, 64) == len(data) == 36


def test_scans_of_12_bits(tmp_path: Path) -> None:
    for i in range(4):
        scan = RNG.integers(0, 4096, (8, 8)).astype(np.uint16)
        scan[0, 0] = 4095
        Image.fromarray(scan).save(tmp_path / f"{i}.png")
    assert any("--levels 4096" in f.message for f in found(check(DataConfig(source=str(tmp_path))), "warning"))
    assert not any("--levels" in f.message for f in check(DataConfig(source=str(tmp_path), levels=4096)).findings)
    np.save(tmp_path / "a.npy", RNG.integers(0, 17, (300, 8, 8), dtype=np.uint8))
    assert any("--levels 17" in f.message for f in found(check(DataConfig(source=str(tmp_path / "a.npy"))), "warning"))


def test_ink_on_transparency(tmp_path: Path) -> None:
    for i in range(4):
        drawing = np.zeros((8, 8, 4), np.uint8)
        drawing[i, :, 3] = 255
        Image.fromarray(drawing).save(tmp_path / f"{i}.png")
    report = check(DataConfig(source=str(tmp_path)))
    (error,) = found(report, "error")
    assert "--background white" in error.remedy and not any("equal another" in f.message for f in report.findings)
    assert check(DataConfig(source=str(tmp_path), background="white")).ok
    Image.fromarray(np.full((8, 8, 4), 255, np.uint8)).save(tmp_path / "z.png")
    report = check(DataConfig(source=str(tmp_path)))
    assert report.ok and any("5 images have one plain colour only" in f.message for f in found(report, "warning"))


def test_labels_of_any_kind_raise_nothing(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (30, 8, 8), dtype=np.uint8)
    for i, y in enumerate((np.array(["cat", "dog", "cow"] * 10), np.array([b"a", b"b"] * 15), np.array(3))):
        np.savez(tmp_path / f"{i}.npz", x=x, y=y)
    assert "3 classes (cat, cow, dog)" in check(DataConfig(source=str(tmp_path / "0.npz"))).summary
    assert "2 classes (a, b)" in check(DataConfig(source=str(tmp_path / "1.npz"))).summary
    assert "single value" in found(check(DataConfig(source=str(tmp_path / "2.npz"))), "error")[0].message


def test_classes_are_named_in_their_order(tmp_path: Path) -> None:
    for name in ("10", "9", "red"):
        images(tmp_path / name, 30)
    assert "3 classes (9, 10, red)" in check(DataConfig(source=str(tmp_path))).summary


def test_one_image_and_other_kinds(tmp_path: Path) -> None:
    report = check(DataConfig(source=str(images(tmp_path, 1) / "0000.png")))
    assert report.ok and [finding.severity for finding in report.findings] == ["note"]
    np.save(tmp_path / "a.npy", RNG.normal(size=(2000, 50)))
    config = DataConfig(source=str(tmp_path / "a.npy"), kind="sequence", sample_rate=8000.0)
    assert check(config).summary.startswith("1,800 sequences of 1x50, continuous, 8000 Hz, no labels")
    config = DataConfig(source=str(tmp_path / "a.npy"), flip="horizontal")
    assert "--flip" in found(check(config), "error")[0].remedy


def test_a_folder_that_shadows_a_named_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path / "shapes", 3)
    monkeypatch.chdir(tmp_path)
    assert "set:shapes" in found(check(DataConfig(source="shapes")), "error")[0].remedy


def test_the_number_of_held_out_examples_is_that_of_evaluate() -> None:
    assert FEW_HELD_OUT == FEWEST
