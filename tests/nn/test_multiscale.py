"""Flows over several scales: the order of the codes, the prior of what leaves; more in test_invertible.py."""

import torch

from veridical.nn.invertible import Squeeze
from veridical.nn.multiscale import FactorOut, MultiScale
from veridical.objectives.likelihoods import gaussian_log_prob


def three_scales() -> MultiScale:
    squeezes = [Squeeze((1, 8, 8)), Squeeze((2, 4, 4)), Squeeze((4, 2, 2))]
    return MultiScale(squeezes, [FactorOut(4), FactorOut(8)], [s.shape for s in squeezes])


def test_codes_are_sorted_from_coarse_to_fine() -> None:
    flow, x = three_scales(), torch.randn(2, 1, 8, 8)
    assert flow.sizes == [16, 16, 32]
    z, _ = flow(x)
    finest = Squeeze((1, 8, 8))(x)[0][:, 2:]
    assert torch.equal(z[:, 32:], finest.flatten(1))
    assert torch.equal(flow.inverse(z)[0], x)


def test_what_leaves_has_a_conditional_normal_distribution() -> None:
    split, h = FactorOut(4), torch.randn(3, 4, 2, 2)
    torch.nn.init.normal_(split.prior.weight)
    kept, code, log_det = split.split(h)
    mean, log_scale = split.prior(kept).chunk(2, dim=1)
    zero = torch.zeros(1, 1)
    ours = gaussian_log_prob(code.flatten(1), zero, zero) + log_det
    # code = fine * e^s + t, with s within ±2: fine is normal of mean -t e^-s and standard deviation e^-s.
    s = 2 * torch.tanh(log_scale / 2)
    exact = gaussian_log_prob(h[:, 2:].flatten(1), (-mean * (-s).exp()).flatten(1), (-2 * s).flatten(1))
    torch.testing.assert_close(ours, exact, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(split.join(kept, torch.zeros_like(code))[0][:, 2:], -mean * (-s).exp())
