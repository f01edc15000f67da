"""The commands of the lattice, as a person meets them: files, exit codes, sentences."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_light import outcome
from veridical.cli import run
from veridical.ising import sample, stream
from veridical.ising.exact import CRITICAL_COUPLING, log_partition, magnetization_squared


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["ising", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


class TestSample:
    def test_a_file_that_anyone_can_read(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "x.npz"
        code, out, _ = told(capsys, "sample", "8x6", "-n", "3000", "-o", str(path), "--seed", "5", "--temperature", "3")
        assert code == 0 and f"wrote {path}: 3,000 configurations" in out and "burn-in" in out
        with np.load(path, allow_pickle=False) as file:
            x, about = file["x"], json.loads(str(file["metadata"]))
        assert x.shape == (3000, 8, 6) and x.dtype == np.bool_
        assert about["coupling"] == pytest.approx(1 / 3) and about["seed"] == 5 and about["n"] == 3000
        assert {"method", "burn_in", "thinning", "tau", "blocks", "version", "height", "width"} <= about.keys()
        same = np.concatenate(list(stream((8, 6), 1 / 3, about["method"], 5, n=3000, blocks=about["blocks"])))
        assert (x == same.astype(bool)).all()

    def test_packed_bits_are_the_same_configurations(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name, option in (("a.npz", "--no-packed"), ("b.npz", "--packed")):
            assert told(capsys, "sample", "6", "-n", "700", "-o", str(tmp_path / name), option)[0] == 0
        x, packed = np.load(tmp_path / "a.npz")["x"], np.load(tmp_path / "b.npz")["packed"]
        assert packed.shape == (700, 5)
        assert (np.unpackbits(packed, axis=1, count=36).reshape(-1, 6, 6) == x).all()
        assert (tmp_path / "b.npz").stat().st_size < (tmp_path / "a.npz").stat().st_size / 5

    def test_the_same_seed_makes_the_same_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name, threads in (("a.npz", "1"), ("b.npz", "3")):
            told(capsys, "sample", "8", "-n", "2000", "-o", str(tmp_path / name), "--threads", threads)
        assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()

    def test_it_has_a_name_if_none_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert told(capsys, "sample", "4", "-n", "100")[0] == 0
        assert [p.name for p in tmp_path.iterdir()] == ["ising-4-n100-seed0.npz"]

    def test_nothing_is_overwritten(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "x.npz"
        path.write_text("mine")
        code, _, err = told(capsys, "sample", "4", "-n", "10", "-o", str(path))
        assert code == 2 and "nothing is overwritten" in err and path.read_text() == "mine"

    def test_a_disk_that_is_too_small_is_noticed_before(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, _, err = told(capsys, "sample", "512", "-n", "1000000000", "-o", str(tmp_path / "x.npz"))
        assert code == 1 and "GB are needed" in err and "--packed" in err
        assert not list(tmp_path.iterdir())

    def test_an_interrupted_file_leaves_nothing(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "veridical", "ising", "sample", "32", "-n", "20000000", "-o", "x.npz"]
        # A shell that starts the tests in the background would have them, and their children, ignore the signal.
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        assert [p.suffix for p in tmp_path.iterdir()] == [".partial"]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "no file was written" in err and "Traceback" not in err
        assert not list(tmp_path.iterdir())


class TestExact:
    def test_numbers(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = told(capsys, "exact", "4", "8x6", "--json")
        rows = json.loads(out)["rows"]
        assert code == 0 and [row["lattice"] for row in rows] == ["4 x 4", "8 x 6", "infinite"]
        assert rows[0]["log_partition"] == pytest.approx(15.52191545875528, abs=1e-12)
        assert rows[0]["entropy_bits"] == pytest.approx(0.404199854249, abs=1e-11)
        assert rows[0]["magnetization_squared"] == pytest.approx(0.7613589086, abs=1e-10)
        assert rows[1]["log_partition"] == pytest.approx(float(log_partition(8, 6, CRITICAL_COUPLING)))
        assert rows[2]["energy"] == pytest.approx(-(2**0.5)) and rows[2]["specific_heat"] is None
        assert rows[2]["entropy_bits"] == pytest.approx(0.442142977417587, abs=1e-12)

    def test_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = told(capsys, "exact", "64", "256", "--coupling", "0.5")
        assert code == 0 and "K = 0.5;" in out
        assert f"{magnetization_squared(64, 64, 0.5):.8f}" in out
        assert max(len(line) for line in out.splitlines()) <= 100

    def test_antiferromagnets_have_no_row_of_the_infinite_lattice(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = told(capsys, "exact", "4", "--coupling", "-0.3")
        assert code == 0 and "infinite" not in out
        assert told(capsys, "exact", "3", "--coupling", "-0.3")[0] == 1


class TestCheck:
    def test_true_configurations(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "x.npz"
        told(capsys, "sample", "8", "-n", "4000", "-o", str(path), "--coupling", "0.4")
        code, out, _ = told(capsys, "check", str(path))  # against what the file says
        assert code == 0 and "comparison with the exact distribution at K = 0.4:" in out and "all 13 tests pass" in out
        assert "its metadata: coupling 0.4" in out
        code, out, _ = told(capsys, "check", str(path), "--coupling", "0.44", "--json")
        report = json.loads(out)
        assert code == 1 and report["outcome"] == "inconsistent" and "look like K = 0.4" in report["verdict"]
        assert report["metadata"]["coupling"] == 0.4

    def test_files_of_others(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        x = sample(8, 4000, seed=3)
        np.save(tmp_path / "spins.npy", 2.0 * x - 1)
        np.save(tmp_path / "bits.npy", np.packbits(x.reshape(4000, -1), axis=1))
        assert told(capsys, "check", str(tmp_path / "spins.npy"))[0] == 0
        assert told(capsys, "check", str(tmp_path / "bits.npy"), "--size", "8")[0] == 0
        code, _, err = told(capsys, "check", str(tmp_path / "bits.npy"))
        assert code == 1 and "--size HxW" in err

    def test_a_file_that_is_none(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        np.save(tmp_path / "grey.npy", np.random.default_rng(0).random((30, 4, 4)))
        code, _, err = told(capsys, "check", str(tmp_path / "grey.npy"))
        assert code == 1 and "values other than two spin states" in err and "defect" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ising"], 0, "veridical ising sample 64"),
        (["ising", "sample", "--help"], 0, "--packed"),
        (["ising", "exact", "--help"], 0, "--json"),
        (["ising", "check", "--help"], 0, "--level"),
        (["ising", "smaple"], 2, "Did you mean sample?"),
        (["ising", "sample"], 2, "SIZE is missing"),
        (["ising", "sample", "64x"], 2, "64x32"),
        (["ising", "sample", "1"], 2, "at least 2"),
        (["ising", "sample", "8", "-n", "0"], 2, "at least 1"),
        (["ising", "sample", "8", "--method", "wolf"], 2, "wolff"),
        (["ising", "exact", "8", "--coupling", "1", "--temperature", "1"], 2, "expected"),
        (["ising", "exact", "8", "--temperature", "0"], 2, "above 0"),
        (["ising", "check", "x.npz", "--level", "1"], 2, "probability"),
    ],
)
def test_help_and_wrong_usage_are_light(arguments: list[str], code: int, words: str) -> None:
    got, said, heavy = outcome(*arguments)
    assert got == code and words in said and heavy == "[]", said
