"""Recordings in WAV files: read as sequences of one length, and written.

16-bit samples stay as they are; 8, 24 and 32 bits become floats in [-1, 1). Recordings are cut into windows one after
the other; what is left at the end of a file is not used.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from veridical import budget
from veridical.atomic import replacing
from veridical.data.errors import DataError
from veridical.data.files import Arrays


class Recording(NamedTuple):
    """What a WAV file holds."""

    samples: np.ndarray
    """(C, N), int16 or float32 in [-1, 1)."""

    rate: int
    """Samples per second."""


def wavs_in(folder: Path) -> list[Path]:
    """Return the WAV files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav" and path.is_file())


def read_recording(path: Path) -> Recording:
    """Read a WAV file of integer samples.

    Raises:
        DataError: it is damaged, or of another format (compressed, floating point).
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate, frames = file.getparams()[:4]
            budget.require(4 * frames * channels, str(path), path.stat().st_size)
            content = file.readframes(frames)
    except (wave.Error, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Store it as a WAV file of 16-bit integers.") from error
    usable = len(content) // (width * channels) * width * channels
    return Recording(_samples(content[:usable], width).reshape(-1, channels).T, rate)


def _samples(content: bytes, width: int) -> np.ndarray:
    """Return the samples of little-endian integers of 1 (unsigned), 2, 3 or 4 bytes."""
    if width == 2:
        return np.frombuffer(content, dtype="<i2").astype(np.int16)
    if width == 1:
        return ((np.frombuffer(content, dtype=np.uint8).astype(np.float32)) - 128) / 128
    padded = np.zeros((len(content) // width, 4), dtype=np.uint8)
    padded[:, 4 - width :] = np.frombuffer(content, dtype=np.uint8).reshape(-1, width)
    return padded.view("<i4")[:, 0].astype(np.float32) / 2**31


def read_wavs(paths: Sequence[Path], window: int) -> Arrays:
    """Read recordings as sequences (n, C, window).

    Args:
        paths: WAV files of one sample rate and number of channels.
        window: steps of a sequence.

    Raises:
        DataError: files that differ in rate or channels, or none that is as long as a window.
    """
    recordings = [read_recording(path) for path in paths]
    for path, recording in zip(paths, recordings, strict=True):
        kind, first = (recording.rate, len(recording.samples)), (recordings[0].rate, len(recordings[0].samples))
        if kind != first:
            raise DataError(
                f"{path} has {kind[0]} Hz and {kind[1]} channels, {paths[0]} {first[0]} Hz and {first[1]}.",
                "Convert all recordings to one rate and number of channels.",
            )
    pieces = [_windows(recording.samples, window) for recording in recordings]
    if not any(map(len, pieces)):
        longest = max(recording.samples.shape[1] for recording in recordings)
        raise DataError(
            f"window is {window}, but the longest recording has {longest} steps.", "Choose a shorter one: --window N."
        )
    if len({piece.dtype for piece in pieces}) > 1:
        pieces = [piece / np.float32(32768) if piece.dtype == np.int16 else piece for piece in pieces]
    x = np.concatenate(pieces)
    left = sum(recording.samples.shape[1] % window for recording in recordings)
    notes = (f"recordings were cut into windows of {window} steps; {left:,} steps at their ends are not used",)
    files = tuple(str(path) for path, piece in zip(paths, pieces, strict=True) for _ in range(len(piece)))
    return Arrays(x, None, notes, kind="sequence", sample_rate=float(recordings[0].rate), files=files)


def _windows(samples: np.ndarray, window: int) -> np.ndarray:
    """Return (n, C, window) for (C, N)."""
    count = samples.shape[1] // window
    return samples[:, : count * window].reshape(len(samples), count, window).transpose(1, 0, 2)


def write_recording(samples: np.ndarray, rate: float, path: Path) -> None:
    """Write (C, N) int16 samples to a temporary file and rename it.

    Args:
        samples: of every channel.
        rate: samples per second, rounded to a whole number.
        path: of the file.
    """
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(round(rate))
        file.writeframes(np.ascontiguousarray(samples.T, dtype="<i2").tobytes())
