"""The choices of `FlowMatchingConfig` and its sampling: what is refused."""

import pytest

from veridical.config.families.flow_matching import FlowMatchingConfig, FlowMatchingSampling


def test_choices_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="coupling is 'nearest'"):
        FlowMatchingConfig(coupling="nearest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="evaluations is 35; heun takes two"):
        FlowMatchingConfig(evaluations=35)
    with pytest.raises(ValueError, match="method is 'ddim'"):
        FlowMatchingSampling(method="ddim")  # type: ignore[arg-type]
