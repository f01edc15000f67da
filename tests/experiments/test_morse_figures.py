"""Pictures of flows: maxima are found where they are known to be, and the animation has all frames."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from veridical.experiments.morse_figures import Ways, animate, draw, heights, sinks

PEAKS = torch.tensor([[1.0, 0.0], [-1.0, 0.5]])


def two_hills(x: Tensor) -> Tensor:
    return (-8 * (x[:, None] - PEAKS).square().sum(dim=2)).exp().sum(dim=1)


def ways() -> Ways:
    """Three quarters of the samples end at the first hill."""
    ends = torch.cat([PEAKS[:1].expand(30, 2), PEAKS[1:].expand(10, 2)])
    return Ways("two hills", [two_hills], [ends + 0.3, ends + 0.1, ends])


def test_maxima_and_their_shares() -> None:
    found = sorted(sinks(ways()), reverse=True)
    assert [round(share, 2) for *_, share in found] == [0.75, 0.25]
    torch.testing.assert_close(torch.tensor([place[:2] for place in found]), PEAKS, atol=0.03, rtol=0)
    assert sinks(ways(), least=0.3) == [max(found)]


def test_rows_of_a_map_have_one_height_above_the_origin() -> None:
    z = heights(lambda x: x[:, 1] + 0 * x[:, 0])
    assert z[0, 0] == z[0, -1] == -2.0 and z[-1, 0] == 2.0


def test_both_files_are_written(tmp_path: Path) -> None:
    moving = Ways("moving", [two_hills, lambda x: 2 * two_hills(x), lambda x: 0 * two_hills(x)], ways().x)
    draw([ways(), moving], {"data": torch.randn(50, 2)}, tmp_path / "a.png")
    animate([ways(), moving], tmp_path / "a.gif", 2)
    with Image.open(tmp_path / "a.gif") as image:
        assert getattr(image, "n_frames", 0) == 3 and image.info["loop"] == 0
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 400 and len(set(image.convert("L").resize((64, 64)).tobytes())) > 2
