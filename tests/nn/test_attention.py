import pytest
import torch

from veridical.nn.attention import SelfAttention, attention_after


def test_it_is_the_softmax_mean_of_values() -> None:
    torch.manual_seed(0)
    layer, h = SelfAttention(8), torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        layer.gain.fill_(0.5)
    query = torch.einsum("oc,bcij->boij", layer.query.weight[..., 0, 0], h)
    key = torch.einsum("oc,bcij->boij", layer.key.weight[..., 0, 0], h)
    value = torch.einsum("oc,bcij->boij", layer.value.weight[..., 0, 0], h)
    key, value = (t.reshape(2, -1, 2, 2, 2, 2).amax((3, 5)) for t in (key, value))
    weight = torch.einsum("boij,bokl->bijkl", query, key).flatten(3).softmax(-1)
    seen = torch.einsum("bijp,bop->boij", weight, value.flatten(2))
    expected = h + 0.5 * torch.einsum("co,boij->bcij", layer.out.weight[..., 0, 0], seen)
    torch.testing.assert_close(layer(h), expected)


def test_it_stands_on_the_first_grid_of_that_side() -> None:
    after = attention_after(8, [16, 8, 8], [8, 16, 24])
    assert [isinstance(layer, SelfAttention) for layer in after] == [False, True, False]
    assert not any(isinstance(layer, SelfAttention) for layer in attention_after(None, [16, 8], [8, 8]))
    with pytest.raises(ValueError, match="sides 16, 8"):
        attention_after(4, [16, 8], [8, 8])
    with pytest.raises(ValueError, match="at least 8"):
        SelfAttention(4)
