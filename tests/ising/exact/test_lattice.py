import subprocess
import sys

import numpy as np
import pytest

from veridical.ising.exact.lattice import CRITICAL_COUPLING, lattice_shape, split_coupling, uniform_couplings


def test_critical_coupling_is_self_dual() -> None:
    assert np.sinh(2 * CRITICAL_COUPLING) == pytest.approx(1, abs=1e-15)


def test_shapes_tell_the_boundaries() -> None:
    for wrap in ((True, True), (True, False), (False, True), (False, False)):
        horizontal, vertical = uniform_couplings(3, 5, (0.1, 0.2), wrap)
        assert lattice_shape(horizontal.shape, vertical.shape) == (3, 5, *wrap)
        assert (horizontal == 0.1).all() and (vertical == 0.2).all()


@pytest.mark.parametrize("shapes", [((3, 3), (3, 5)), ((3, 5), (1, 5)), ((3,), (3, 5)), ((0, 5), (0, 5))])
def test_shapes_of_no_lattice_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="uniform_couplings"):
        lattice_shape(*shapes)


def test_a_tuple_is_a_pair_and_a_list_is_many() -> None:
    horizontal, vertical = split_coupling(([0.1, 0.2], 0.3))
    assert horizontal.tolist() == [0.1, 0.2] and vertical.tolist() == [0.3, 0.3]
    assert split_coupling([0.1, 0.2, 0.3])[1].tolist() == [0.1, 0.2, 0.3]
    with pytest.raises(ValueError, match="Pass a list"):
        split_coupling((0.1, 0.2, 0.3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="finite"):
        split_coupling(float("nan"))


def test_importing_brings_neither_torch_nor_numba() -> None:
    code = (
        "import sys, veridical.ising; before = set(sys.modules); import veridical.ising.exact; "
        "new = set(sys.modules) - before; print(sorted({'torch', 'numba', 'mpmath', 'sympy'} & new))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_kac_ward_is_reachable_from_the_package() -> None:
    from veridical.ising import exact

    assert all(hasattr(exact, name) for name in exact.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        exact.nothing  # noqa: B018
