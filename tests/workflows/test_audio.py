"""Sequences as sound: exact for 16 bits, scaled where there are no bounds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from veridical.config.families.wavenet import WaveNetConfig
from veridical.data.space import Space
from veridical.data.wav import read_recording
from veridical.families.wavenet import WaveNet
from veridical.sampling import draw, draw_blocks
from veridical.workflows import audio, sample

AUDIO = Space((1, 40), kind="sequence", levels=None, std=0.2, sample_rate=8000.0)


def test_what_was_read_is_what_is_written() -> None:
    raw = torch.tensor([[-32768, -1, 0, 1, 32767]])
    assert audio.samples_of(raw / 32768, AUDIO).tolist() == raw.tolist()
    assert audio.samples_of(torch.tensor([1.0, 2.0, -3.0]), AUDIO).tolist() == [32767, 32767, -32768]


def test_other_ranges_are_scaled() -> None:
    wide = Space((1, 2), "sequence", (0.0, 10.0), None)
    assert audio.samples_of(torch.tensor([0.0, 5.0]), wide).tolist() == [-32768, 0]
    free = Space((1, 2), "sequence", None, None, mean=1.0, std=3.0)
    assert audio.samples_of(torch.tensor([1.0, 7.0, 100.0]), free).tolist() == [0, 16384, 32767]


@pytest.mark.parametrize(
    "space",
    [AUDIO, Space((1, 40), "sequence", (0.0, 10.0), None), Space((1, 40), "sequence", None, None, mean=1.0, std=3.0)],
)
def test_samples_become_the_values_they_were_written_from(space: Space) -> None:
    raw = np.array([[-32768, -1, 0, 1, 777, 32767]], dtype=np.int16)
    assert audio.samples_of(audio.values_of(raw, space), space).tolist() == raw.tolist()
    torch.testing.assert_close(audio.values_of(raw, space), audio.values_of(raw / np.float32(32768), space))


def test_samples_are_one_recording_or_one_each(tmp_path: Path) -> None:
    model = WaveNet(WaveNetConfig(width=4, layers=2, blocks=1), AUDIO).eval()
    x = audio.samples_of(draw(model, 3), AUDIO)
    sample.save(draw_blocks(model, 3), 3, model, tmp_path / "all.wav", print)
    one = read_recording(tmp_path / "all.wav")
    assert one.rate == 8000 and np.array_equal(one.samples, np.concatenate(list(x), axis=1))
    sample.save(draw_blocks(model, 3), 3, model, tmp_path / "each", print)
    files = sorted((tmp_path / "each").iterdir())
    assert [file.name for file in files] == ["0.wav", "1.wav", "2.wav"]
    assert np.array_equal(read_recording(files[2]).samples, x[2])


def test_what_cannot_be_heard_is_refused() -> None:
    with pytest.raises(ValueError, match="these examples are of kind 'image'"):
        audio.require_audio(Space((1, 4, 4)))
    with pytest.raises(ValueError, match="train with --sample-rate"):
        audio.require_audio(Space((1, 40), kind="sequence", levels=None))
