"""Which data a run learns from, and how pictures of other shapes are made to fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from veridical.config import checks


@dataclass(frozen=True)
class DataConfig:
    """A named set, a folder of pictures, or a file (npy, npz, idx, idx.gz)."""

    source: Annotated[str, tyro.conf.arg(name="data", metavar="NAME|FOLDER|FILE")] = ""
    """Name (`veridical data list`), folder or file."""

    size: int | None = None
    """Side to which pictures are resized; None: as they are, all of one size."""

    fit: Literal["error", "crop", "pad", "stretch"] = "error"
    """What to do with pictures that are not square or differ in size: refuse, centre crop, pad, or stretch."""

    channels: Literal["auto", "grey", "colour"] = "auto"
    """Channels of the pictures; auto: grey if every picture is grey."""

    on_bad: Literal["fail", "skip"] = "fail"
    """What to do with a picture that cannot be read."""

    labels: bool = True
    """Read labels where the set has them (sub-folders of a folder are its classes)."""

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
        checks.positive("repeats", self.repeats)
        if (self.repeats > 1) != (self.order == "repeated"):
            raise ValueError(
                f"order is {self.order!r} with repeats = {self.repeats}; a batch is seen again only under order "
                "'repeated'. Give both (--order repeated --repeats 5), or leave repeats at 1."
            )
        if self.fit != "error" and self.size is None:
            raise ValueError(
                f"fit is {self.fit!r} without size; fit says how pictures come to the side that size gives. "
                "Give size (for example 64), or leave fit at 'error'."
            )
