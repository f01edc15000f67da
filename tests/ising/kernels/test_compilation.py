"""Kernels where nothing can be written."""

from typing import Any

from veridical.ising.kernels.compilation import kernel


def test_a_kernel_without_a_place_on_disk_is_compiled_all_the_same():
    namespace: dict[str, Any] = {"kernel": kernel}
    exec("@kernel\ndef double(x):\n    return 2 * x", namespace)
    assert namespace["double"](21) == 42
