from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.config import DataConfig
from veridical.data.check import CheckReport, Finding, check

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
    assert report.summary.startswith("10,000 images of 1x28x28, 256 levels, 10 classes; mean -0.427, std 0.708")


def test_vectors_are_described_as_what_they_are() -> None:
    assert check(DataConfig(source="ring")).summary.startswith("100,000 vectors of 2, continuous, no labels")


def test_a_good_folder(tmp_path: Path) -> None:
    report = check(DataConfig(source=str(images(tmp_path, 1200))))
    assert report.ok and report.findings == ()
    assert report.summary == f"1,200 images of 1x8x8 in {tmp_path}, no labels, 120 of them held out"


def test_what_is_held_out_does_not_fill_a_batch(tmp_path: Path) -> None:
    images(tmp_path, 10)
    assert check(DataConfig(source=str(tmp_path)), batch_size=9).ok
    assert not check(DataConfig(source=str(tmp_path)), batch_size=10).ok


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
    bad, few = found(report, "error")
    assert "2 of 32 images" in bad.message and "0002.png" in bad.message and "--on-bad skip" in bad.remedy
    assert "fewer than a batch of 64" in few.message and few.remedy
    doubles, imbalance = found(report, "warning")
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
