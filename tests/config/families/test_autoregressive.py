import pytest

from veridical.config.families.autoregressive import AutoregressiveSampling


def test_only_methods_that_exist_are_accepted() -> None:
    with pytest.raises(ValueError, match="method is 'fast'; expected one of auto, cached, naive, jacobi"):
        AutoregressiveSampling(method="fast")  # pyright: ignore[reportArgumentType]
