import pytest

from veridical.config.families.pixelcnn import FAMILY, PixelCNNConfig


def test_kernels_are_odd() -> None:
    with pytest.raises(ValueError, match="first_kernel is 4; expected an odd number"):
        PixelCNNConfig(first_kernel=4)
    with pytest.raises(ValueError, match="kernel is 2; expected an odd number"):
        PixelCNNConfig(kernel=2)


def test_directions_are_powers_of_two() -> None:
    with pytest.raises(ValueError, match="directions is 3; expected 1, 2, 4 or 8"):
        PixelCNNConfig(directions=3)  # type: ignore[arg-type]


def test_presets_name_their_papers() -> None:
    assert all("arxiv" in preset.paper and preset.published for preset in FAMILY.presets.values())
