"""WAV files: every width of sample, windows, and what does not fit together."""

import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from veridical.config import DataConfig
from veridical.data.errors import DataError
from veridical.data.sources import load
from veridical.data.wav import read_recording, read_wavs, wavs_in, write_recording


def raw(path: Path, content: bytes, width: int, channels: int = 1, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)
    return path


def test_sixteen_bits_come_back_as_they_were(tmp_path: Path) -> None:
    x = np.array([[-32768, -1, 0, 1, 32767], [5, 4, 3, 2, 1]], dtype=np.int16)
    write_recording(x, 22050.0, tmp_path / "x.wav")
    found = read_recording(tmp_path / "x.wav")
    assert found.rate == 22050 and found.samples.dtype == np.int16 and np.array_equal(found.samples, x)


@pytest.mark.parametrize(
    ("width", "content"),
    [
        (1, bytes([0, 64, 128, 192])),
        (3, b"\x00\x00\x80" + b"\x00\x00\xc0" + b"\x00\x00\x00" + b"\x00\x00\x40"),
        (4, np.array([-(2**31), -(2**30), 0, 2**30], dtype="<i4").tobytes()),
    ],
)
def test_other_widths_become_floats(tmp_path: Path, width: int, content: bytes) -> None:
    found = read_recording(raw(tmp_path / "x.wav", content, width))
    assert found.samples.dtype == np.float32 and found.samples.tolist() == [[-1.0, -0.5, 0.0, 0.5]]


def test_recordings_are_cut_into_windows(tmp_path: Path) -> None:
    x = np.arange(20, dtype=np.int16).reshape(2, 10)
    write_recording(x, 8000, tmp_path / "a.wav")
    write_recording(-x, 8000, tmp_path / "b.wav")
    arrays = read_wavs(wavs_in(tmp_path), 4)
    assert arrays.files is not None and len(arrays.files) == len(arrays.x)
    assert {Path(file).name for file in arrays.files} == {"a.wav", "b.wav"}
    assert arrays.x.shape == (4, 2, 4) and arrays.sample_rate == 8000 and "4 steps at their ends" in arrays.notes[0]
    assert arrays.x[1].tolist() == [[4, 5, 6, 7], [14, 15, 16, 17]] and arrays.x[2, 0, 1] == -1


def test_a_folder_or_file_is_data(tmp_path: Path) -> None:
    wav = np.random.default_rng(0).integers(-20000, 20000, (1, 100_000)).astype(np.int16)
    write_recording(wav, 8000, tmp_path / "noise.wav")
    for source in (tmp_path, tmp_path / "noise.wav"):
        data = load(DataConfig(source=str(source), window=500), "train")
        assert data.space.kind == "sequence" and data.space.shape == (1, 500) and data.space.sample_rate == 8000
        assert data.space.support == (-1.0, 1.0) and 150 < len(data) < 200  # a tenth is held out
        x = data.batch(torch.arange(3), "cpu").x * 32768
        assert torch.equal(x, x.round())


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    short = raw(tmp_path / "a.wav", bytes(20), 2)
    with pytest.raises(DataError, match="window is 11, but the longest recording has 10 steps"):
        read_wavs([short], 11)
    with pytest.raises(DataError, match=r"has 16000 Hz and 1 channels, .* 8000 Hz and 1"):
        read_wavs([short, raw(tmp_path / "b.wav", bytes(20), 2, rate=16000)], 5)
    (tmp_path / "c.wav").write_bytes(b"RIFF no sound")
    with pytest.raises(DataError, match=r"c\.wav cannot be read"):
        read_recording(tmp_path / "c.wav")


def test_mixed_widths_are_floats(tmp_path: Path) -> None:
    write_recording(np.full((1, 4), 16384, dtype=np.int16), 8000, tmp_path / "a.wav")
    raw(tmp_path / "b.wav", bytes([192] * 4), 1)
    assert (read_wavs(wavs_in(tmp_path), 4).x == 0.5).all()
