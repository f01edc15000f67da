import torch
from torch import nn

from veridical.nn.conditional import ClassBatchNorm2d, VectorBatchNorm2d, normalized


def test_equal_gains_are_ordinary_batch_normalisation() -> None:
    torch.manual_seed(0)
    h, c, y = 3 + 2 * torch.randn(16, 4, 5, 5), torch.randint(10, (16,)), torch.randn(16, 7)
    plain, table, vector = nn.BatchNorm2d(4), ClassBatchNorm2d(4, 10), VectorBatchNorm2d(4, 7)
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    with torch.no_grad():
        table.gain.copy_(plain.weight.expand(10, 4))
        table.bias.copy_(plain.bias.expand(10, 4))
        vector.gain.weight.zero_()
        vector.bias.weight.zero_()
    for training in (True, False):  # the second pass uses the running statistics of the first
        for norm in (plain, table, vector):
            norm.train(training)
        expected = plain(h)
        torch.testing.assert_close(table(h, c), expected)
        torch.testing.assert_close(vector(h, y), (expected - plain.bias[:, None, None]) / plain.weight[:, None, None])


def test_other_layers_are_shown_no_condition() -> None:
    h, c, table = torch.randn(6, 4, 5, 5), torch.arange(6), ClassBatchNorm2d(4, 6)
    nn.init.normal_(table.gain)
    for norm in (nn.BatchNorm2d(4), nn.GroupNorm(1, 4), nn.Identity()):
        assert torch.equal(normalized(norm, h, c), norm(h))
    assert torch.equal(normalized(table, h, c), table(h, c))


def test_every_class_has_its_own_gain_and_bias() -> None:
    norm = ClassBatchNorm2d(2, 3)
    with torch.no_grad():
        norm.gain[1], norm.bias[2] = 5.0, -7.0
    h, c = torch.randn(9, 2, 4, 4), torch.arange(9) % 3
    normalised = nn.BatchNorm2d(2, affine=False)(h)
    expected = normalised.clone()
    expected[c == 1] *= 5
    expected[c == 2] -= 7
    torch.testing.assert_close(norm(h, c), expected)
    norm(h, c).square().sum().backward()
    assert norm.gain.grad is not None and (norm.gain.grad != 0).any(1).tolist() == [True] * 3


def test_a_vector_sets_gain_and_bias_linearly() -> None:
    norm, h, y = VectorBatchNorm2d(3, 2), torch.randn(8, 3, 4, 4), torch.randn(8, 2)
    gain, bias = 1 + y @ norm.gain.weight.T, y @ norm.bias.weight.T
    expected = nn.BatchNorm2d(3, affine=False)(h) * gain[:, :, None, None] + bias[:, :, None, None]
    torch.testing.assert_close(norm(h, y), expected)
