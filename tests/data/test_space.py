import pytest

from veridical.data.space import Space


def test_a_sequence_has_channels_steps_and_perhaps_a_rate() -> None:
    space = Space((1, 16_000), "sequence", levels=None, sample_rate=16_000.0)
    assert space.dim == 16_000
    with pytest.raises(ValueError, match="channels, steps"):
        Space((16,), "sequence")
    with pytest.raises(ValueError, match="sample_rate is 8"):
        Space((2,), "vector", sample_rate=8)
    with pytest.raises(ValueError, match="sample_rate is 0"):
        Space((1, 2), "sequence", sample_rate=0)
