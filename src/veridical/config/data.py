"""Which data a run learns from, and how images of other shapes are made to fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from veridical.config import checks


@dataclass(frozen=True)
class DataConfig:
    """A named set, a folder of images, one image, or a file of arrays (npy, npz, pt, csv, idx, idx.gz)."""

    source: str = field(default="", metadata={"flag": "data", "metavar": "NAME|FOLDER|FILE"})
    """Name (`veridical data list`), folder or file. Where a name and a folder are the same, write ./NAME for the
    folder and set:NAME for the named set."""

    kind: Literal["auto", "image", "vector", "lattice", "sequence"] = "auto"
    """What the axes of an array mean; auto: (N, d) are vectors, three or four axes are images. A lattice has a
    periodic boundary; a sequence is (N, T) or (N, C, T)."""

    size: int | None = None
    """Side to which images are resized; None: as they are, all of one size."""

    fit: Literal["error", "crop", "pad", "stretch"] = "error"
    """What to do with images that are not square or differ in size: refuse, centre crop, pad, or stretch."""

    channels: Literal["auto", "grey", "colour"] = "auto"
    """Channels of the images; auto: grey if every image is grey."""

    levels: int | None = None
    """Number of values 0..L-1 that integers take: 17 for values 0..16, 4096 for 12-bit scans stored in 16 bits. None:
    all that the type of the file holds, or 2 where only two values occur."""

    value_range: tuple[float, float] | None = None
    """The two values of an array that become -1 and 1, for example 0 1; None: found from the values."""

    background: Literal["black", "white"] = "black"
    """Colour behind transparent images."""

    on_bad: Literal["fail", "skip"] = "fail"
    """What to do with an image that cannot be read."""

    labels: bool = True
    """Read labels where the set has them (sub-folders of a folder are its classes)."""

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    """Mirror every image of a batch with probability one half: left and right, top and bottom, or each of the two."""

    sample_rate: float | None = None
    """Steps per second of sequences, in Hz."""

    order: Literal["epoch", "iid", "repeated"] = "epoch"
    """Every example once per epoch in shuffled order; independent draws with replacement; or such draws of which each
    is seen for `repeats` steps in a row."""

    repeats: int = 1
    """Steps in a row that see the same batch, 2 or more, for order repeated; 1 for the others."""

    holdout: float = 0.1
    """Share of the examples kept from training for evaluation, where the set has no test split of its own."""

    def __post_init__(self) -> None:
        checks.positive("size", self.size)
        checks.share("holdout", self.holdout)
        checks.one_of("fit", self.fit, ("error", "crop", "pad", "stretch"))
        checks.one_of("channels", self.channels, ("auto", "grey", "colour"))
        checks.one_of("on_bad", self.on_bad, ("fail", "skip"))
        checks.one_of("order", self.order, ("epoch", "iid", "repeated"))
        checks.one_of("kind", self.kind, ("auto", "image", "vector", "lattice", "sequence"))
        checks.one_of("background", self.background, ("black", "white"))
        checks.one_of("flip", self.flip, ("none", "horizontal", "vertical", "both"))
        checks.positive("repeats", self.repeats)
        checks.positive("sample_rate", self.sample_rate)
        if self.levels is not None and self.levels < 2:
            raise ValueError(f"levels is {self.levels}; expected 2 or more, or None.")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            raise ValueError(f"value_range is {self.value_range}; expected two numbers, the smaller first.")
        if self.sample_rate is not None and self.kind != "sequence":
            raise ValueError(
                f"sample_rate is {self.sample_rate} for the kind {self.kind!r}; only a sequence has steps per second. "
                "Give --kind sequence, or leave sample_rate out."
            )
        if (self.repeats > 1) != (self.order == "repeated"):
            raise ValueError(
                f"order is {self.order!r} with repeats = {self.repeats}; a batch is seen again only under order "
                "'repeated'. Give both (--order repeated --repeats 5), or leave repeats at 1."
            )
        if self.fit != "error" and self.size is None:
            raise ValueError(
                f"fit is {self.fit!r} without size; fit says how images come to the side that size gives. "
                "Give size (for example 64), or leave fit at 'error'."
            )
