"""Configuration of the data: source, shape, values, order and flips."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks


@dataclass(frozen=True)
class DataConfig:
    """A named set, a folder of images or recordings, one of them, or a file of arrays (npy, npz, pt, csv, idx)."""

    source: str = field(default="", metadata={"flag": "data", "metavar": "NAME|FOLDER|FILE"})
    """Name (`veridical data list`), folder or file. If a folder has the name of a data set, write ./NAME for the
    folder and set:NAME for the data set."""

    kind: Literal["auto", "image", "vector", "lattice", "sequence"] = "auto"
    """Meaning of the axes of an array; auto: (N, d) are vectors, three or four axes are images. A lattice has a
    periodic boundary; a sequence is (N, T) or (N, C, T)."""

    size: int | None = None
    """Side in pixels to which images are resized; None: not resized, and all images must have the same size."""

    fit: Literal["error", "crop", "pad", "stretch"] = "error"
    """How images that are not square or differ in size are treated: error, centre crop, pad, or stretch."""

    channels: Literal["auto", "grey", "colour"] = "auto"
    """Channels of the images; auto: grey if all images are grey."""

    levels: int | None = None
    """Number L of levels of integer data with values 0..L-1: 17 for values 0..16, 4096 for 12-bit scans stored in 16
    bits. None: all values of the type of the file, or 2 if only two values occur."""

    value_range: tuple[float, float] | None = None
    """The two values of an array that are mapped to -1 and 1, for example 0 1; None: inferred from the values."""

    background: Literal["black", "white"] = "black"
    """Background colour of transparent images."""

    on_bad: Literal["fail", "skip"] = "fail"
    """Treatment of images that cannot be read: error or skip."""

    labels: bool = True
    """Read labels if the data have them (sub-folders of a folder are classes)."""

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    """Mirror every image of a batch with probability one half: horizontally, vertically, or in both directions."""

    sample_rate: float | None = None
    """Steps per second of sequences, in Hz."""

    window: int = 1024
    """Number of steps of one sequence; recordings (WAV) are cut into windows of this length, one after the other."""

    order: Literal["epoch", "iid", "repeated"] = "epoch"
    """epoch: every example once per epoch, in shuffled order. iid: independent draws with replacement. repeated: such a
    draw is used for `repeats` consecutive steps."""

    repeats: int = 1
    """Number of consecutive steps with the same batch, 2 or more, for order repeated; 1 for the others."""

    holdout: float = 0.1
    """Share of the examples held out for evaluation, if the data have no test split."""

    def __post_init__(self) -> None:
        checks.positive("size", self.size, most=65_535)
        checks.share("holdout", self.holdout)
        checks.one_of("fit", self.fit, ("error", "crop", "pad", "stretch"))
        checks.one_of("channels", self.channels, ("auto", "grey", "colour"))
        checks.one_of("on_bad", self.on_bad, ("fail", "skip"))
        checks.one_of("order", self.order, ("epoch", "iid", "repeated"))
        checks.one_of("kind", self.kind, ("auto", "image", "vector", "lattice", "sequence"))
        checks.one_of("background", self.background, ("black", "white"))
        checks.one_of("flip", self.flip, ("none", "horizontal", "vertical", "both"))
        checks.positive("repeats", self.repeats)
        checks.positive("window", self.window, most=2**24)
        checks.positive("sample_rate", self.sample_rate)
        checks.at_least("levels", self.levels, 2, 2**32)
        checks.interval("value_range", self.value_range)
        if self.sample_rate is not None and self.kind != "sequence":
            raise ValueError(
                f"sample_rate is {self.sample_rate} for the kind {self.kind!r}; only a sequence has steps per second. "
                "Give --kind sequence, or leave sample_rate out."
            )
        if (self.repeats > 1) != (self.order == "repeated"):
            raise ValueError(
                f"order is {self.order!r} with repeats = {self.repeats}; only the order 'repeated' uses a batch more "
                "than once. Give both (--order repeated --repeats 5), or leave repeats at 1."
            )
        if self.fit != "error" and self.size is None:
            raise ValueError(
                f"fit is {self.fit!r} without size; fit selects how images are resized to the given size. "
                "Give size (for example 64), or leave fit at 'error'."
            )
