import pytest

from veridical.config.families.pixelcnn_plus_plus import FAMILY, PixelCNNPlusPlusConfig


def test_directions_and_scales_are_checked() -> None:
    with pytest.raises(ValueError, match="directions is 3; expected 1, 2, 4 or 8"):
        PixelCNNPlusPlusConfig(directions=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scales is 0; expected at least 1"):
        PixelCNNPlusPlusConfig(scales=0)


def test_it_needs_levels() -> None:
    assert FAMILY.needs == ("image", "levels") and "1701.05517" in FAMILY.presets["pixelcnn++"].paper
