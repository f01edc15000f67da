"""Blocks of a transformer flow: the autoregressive Jacobian, and three inverses that agree."""

from typing import Any

import pytest
import torch

from tests.mutants import mutated
from veridical.config.families.autoregressive import Method
from veridical.nn.transformer_flow import LOG_SCALE, Patches, TransformerBlock, TransformerFlowNetwork

TOKENS = (5, 2)


pytestmark = pytest.mark.usefixtures("double_precision")


def block(backwards: bool = False, scale: float = 0.3) -> TransformerBlock:
    model = TransformerBlock(TOKENS, width=8, layers=2, heads=2, dropout=0.0, backwards=backwards)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return model


def check_jacobian(backwards: bool) -> None:
    """Triangular in the order of the tokens, with nothing missing below the diagonal; its log-determinant."""
    model, x = block(backwards), torch.randn(3, *TOKENS)
    z, log_det = model(x)
    assert log_det.abs().min() > 0.1
    for row, value in zip(x, log_det, strict=True):
        J: Any = torch.autograd.functional.jacobian(lambda y: model(y[None])[0][0], row)
        assert value.item() == pytest.approx(float(torch.linalg.slogdet(J.reshape(10, 10)).logabsdet), abs=1e-8)
        seen = J.abs().amax((1, 3))  # of output token by input token
        order = seen.flip(0, 1) if backwards else seen
        assert order.triu(1).max() == 0
        assert (order + torch.ones(5, 5).triu(1) > 1e-12).all()
    back, log_det_back = model.inverse(z)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-8)
    torch.testing.assert_close(log_det_back, -log_det, rtol=0, atol=1e-8)


@pytest.mark.parametrize("backwards", [False, True])
def test_the_jacobian_is_autoregressive(backwards: bool) -> None:
    check_jacobian(backwards)


@torch.no_grad()
def check_inverses() -> None:
    """On codes that are the image of nothing, at batch 3, twice in a row."""
    for backwards in (False, True):
        model = block(backwards)
        for z in (torch.randn(3, *TOKENS), torch.randn(3, *TOKENS)):
            exact, log_det = model.invert(z, "naive")
            torch.testing.assert_close(model(exact)[0], z, rtol=0, atol=1e-9)
            torch.testing.assert_close(model(exact)[1], -log_det, rtol=0, atol=1e-9)
            methods: tuple[Method, ...] = ("cached", "jacobi")
            for method in methods:
                x, other = model.invert(z, method)
                torch.testing.assert_close(x, exact, rtol=0, atol=3e-5 if method == "jacobi" else 1e-9)
                torch.testing.assert_close(other, log_det, rtol=0, atol=3e-5 if method == "jacobi" else 1e-9)


def test_three_inverses_agree() -> None:
    check_inverses()


MUTANTS: dict[str, tuple[Any, str, str, str]] = {
    "a token sees itself": (TransformerBlock, "_given", "as_weights(x[:, :-1]", "as_weights(x[:, 1:]"),
    "the positions start at one": (
        TransformerBlock,
        "_cached",
        "embedded + self.position[t]",
        "embedded + self.position[t - 1]",
    ),
    "the cache has another start": (
        TransformerBlock,
        "_cached",
        "self.start.expand(len(z), -1)",
        "0 * self.start.expand(len(z), -1)",
    ),
    "sign of the scale": (TransformerBlock, "_naive", "log_scale.exp()", "(-log_scale).exp()"),
    "sign of the log-determinant": (TransformerBlock, "forward", "-log_scale.flatten", "log_scale.flatten"),
    "one sweep": (TransformerBlock, "jacobi", "sweeps < self.length", "sweeps < 1"),
    "the order is not restored": (TransformerBlock, "invert", "return self.in_order(x), ", "return x, "),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, function, before, after = MUTANTS[name]
    monkeypatch.setattr(owner, function, mutated(getattr(owner, function), before, after))
    with pytest.raises(AssertionError):
        check_jacobian(False)
        check_inverses()


@torch.no_grad()
def test_jacobi_needs_no_more_sweeps_than_tokens() -> None:
    """Strong couplings, so that the iteration is far from a contraction."""
    model, z = block(scale=1.0), torch.randn(4, *TOKENS)
    x, log_scale, sweeps = model.jacobi(z)
    exact, log_det = model.invert(z, "naive")
    assert sweeps <= TOKENS[0]
    torch.testing.assert_close(x, exact, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log_scale.flatten(1).sum(1), log_det, rtol=1e-4, atol=1e-4)
    alone = torch.cat([model.jacobi(row[None])[0] for row in z])
    torch.testing.assert_close(alone, x, rtol=0, atol=1e-9)
    assert block(scale=0.0).jacobi(z)[2] <= 2  # the identity settles at once


def test_a_derivative_of_the_inverse_is_that_of_the_map() -> None:
    model, z = block(), torch.randn(1, *TOKENS)
    J: Any = torch.autograd.functional.jacobian(lambda y: model.inverse(y)[0], z)
    found = torch.linalg.slogdet(J.reshape(10, 10)).logabsdet
    assert found.item() == pytest.approx(model.inverse(z)[1].item(), abs=1e-8)


def test_a_block_starts_as_the_identity_and_its_scales_are_bounded() -> None:
    model = TransformerBlock(TOKENS, width=8, layers=1, heads=2, dropout=0.0, backwards=True)
    x = torch.randn(2, *TOKENS)
    z, log_det = model(x)
    assert torch.equal(z, x) and log_det.abs().max() == 0
    torch.nn.init.constant_(model.network.out.bias, 1e6)
    assert model(x)[1].abs().max() <= 10 * LOG_SCALE and model(x)[0].isfinite().all()


def test_patches_are_squares_of_the_image() -> None:
    cut, x = Patches((2, 4, 6), 2), torch.arange(48.0).reshape(1, 2, 4, 6)
    tokens = cut(x)[0]
    assert cut.tokens == (6, 8)
    assert torch.equal(tokens[0, 1].reshape(2, 2, 2), x[0, :, :2, 2:4])
    assert torch.equal(cut.inverse(tokens)[0], x)
    with pytest.raises(ValueError, match="divides both"):
        Patches((1, 4, 6), 4)


def test_blocks_are_inverted_in_the_other_order() -> None:
    network = TransformerFlowNetwork(Patches((2, 1, 5), 1), [block(), block(backwards=True)], TOKENS)
    x = torch.randn(3, 2, 1, 5)
    z, log_det = network(x)
    back, log_det_back = network.inverse(z)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_det_back, -log_det, rtol=0, atol=1e-9)
