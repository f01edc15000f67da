"""The μ-law both ways, and its head."""

import math

import pytest
import torch
from scipy import stats

from tests.mutants import mutated
from veridical.nn import companding
from veridical.nn.companding import MuLaw, compress, decode, encode, expand
from veridical.nn.heads import Grid

pytestmark = pytest.mark.usefixtures("double_precision")

SIXTEEN = Grid(-1.0, 2 / 65535, levels=65536)


def test_every_code_is_that_of_its_number() -> None:
    codes = torch.arange(256)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(companding.encode(companding.decode(codes).to(dtype)), codes)


def test_decoding_is_odd_and_increasing_from_end_to_end() -> None:
    x = companding.decode(torch.arange(256))
    torch.testing.assert_close(x, -x.flip(0), rtol=0, atol=1e-15)
    assert (x.diff() > 0).all() and x[0].item() == pytest.approx(-1) and x[-1].item() == pytest.approx(1)


def test_the_error_of_a_code_is_bounded() -> None:
    x = torch.linspace(-1, 1, 200_001)
    error = (companding.decode(companding.encode(x)) - x).abs()
    bound = math.log(256) * (1 + 255 * x.abs()) / 255**2
    assert (error <= 1.02 * bound).all() and (error / bound).max() > 0.95


def test_compression_is_undone() -> None:
    x = torch.linspace(-1, 1, 1001)
    torch.testing.assert_close(expand(compress(x)), x)


@pytest.mark.parametrize("head", [MuLaw(-1.0, 1.0, SIXTEEN), MuLaw(-2.0, 6.0)], ids=["levels", "interval"])
def test_it_is_a_distribution_of_the_data(head: MuLaw) -> None:
    h = torch.randn(1, 256, generator=torch.Generator().manual_seed(0))
    if head.grid is not None:
        x = head.grid.value(torch.arange(65536), torch.float64)[:, None]
        total = head.log_prob(h.expand(len(x), -1), x).exp().sum()
    else:
        inner = head.ends[:-1, None] + head.ends.diff()[:, None] * torch.tensor([[0.01, 0.5, 0.99]])
        density = head.log_prob(h.expand(768, -1), inner.reshape(-1, 1)).exp().reshape(256, 3)
        assert (density.std(1) < 1e-12 * density.mean(1)).all()  # constant within a cell
        total = (density[:, 1] * head.ends.diff()).sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("head", [MuLaw(-1.0, 1.0, SIXTEEN), MuLaw(-2.0, 6.0)], ids=["levels", "interval"])
def test_draws_have_the_probabilities_of_the_codes(head: MuLaw) -> None:
    h, n = torch.randn(1, 256, generator=torch.Generator().manual_seed(0)), 50_000
    x = head.draw(h.expand(n, -1), torch.rand(n, 2, generator=torch.Generator().manual_seed(1)))
    counts = torch.bincount(encode(head.unit(x))[:, 0], minlength=256)
    expected = n * h.softmax(-1)[0]
    assert stats.chisquare(counts, expected * n / expected.sum()).pvalue > 1e-6  # false-alarm rate
    assert x.min() >= head.low and x.max() <= head.high
    if head.grid is not None:
        place = (x - head.grid.low) / head.grid.width
        assert (place - place.round()).abs().max() < 1e-6


def test_outside_the_range_there_is_nothing() -> None:
    assert MuLaw(-1.0, 1.0).log_prob(torch.zeros(1, 256), torch.tensor([[1.1]])).item() == -math.inf


def test_few_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="the data have 256 levels, too few for the finest cells"):
        MuLaw(-1.0, 1.0, Grid(-1.0, 2 / 255, 256))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("encode", "/ 2 * MU).round()", "/ 2 * CODES).floor()"),
        ("encode", ".round()", ".floor()"),
        ("decode", "/ MU - 1", "/ CODES - 1"),
        ("decode", "2 * code", "(1 + 2 * code)"),
        ("compress", "MU * x", "CODES * x"),
    ],
)
def test_known_mistakes_are_found(monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str) -> None:
    """Those of published code: 256 for 255, half a level, the wrong end of a cell."""
    monkeypatch.setattr(companding, name, mutated(getattr(companding, name), before, after))
    monkeypatch.setitem(globals(), "compress", companding.compress)
    with pytest.raises((AssertionError, RuntimeError)):
        test_every_code_is_that_of_its_number()
        test_decoding_is_odd_and_increasing_from_end_to_end()
        test_the_error_of_a_code_is_bounded()
        test_compression_is_undone()


def test_codes_and_numbers_are_those_of_the_module() -> None:
    assert encode(torch.tensor([0.0])).item() in (127, 128) and decode(torch.tensor([255])).item() == pytest.approx(1)
