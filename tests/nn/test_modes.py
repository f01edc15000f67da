import pytest
from torch import nn

from veridical.nn.modes import evaluating


def test_every_part_gets_its_own_mode_back() -> None:
    parts = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    parts[1].eval()
    modes = [part.training for part in parts.modules()]
    with pytest.raises(ZeroDivisionError), evaluating(parts):
        assert not any(part.training for part in parts.modules())
        raise ZeroDivisionError
    assert [part.training for part in parts.modules()] == modes == [True, True, False, False]
