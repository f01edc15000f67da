"""Packed rows in every form that is handed out."""

import numpy as np
import pytest

from veridical.ising import Law
from veridical.ising.output import Output, unpack


@pytest.mark.parametrize("size", [(3, 5), (4, 4), (8, 16)], ids=["padded", "whole bytes", "whole words"])
def test_rows_come_out_as_numpy_unpacks_them(size: tuple[int, int]) -> None:
    sites = np.random.default_rng(1).integers(0, 2, (5, *size), dtype=np.uint8)
    packed = np.packbits(sites.reshape(5, -1), axis=1)
    words = np.zeros((5, -(-size[0] * size[1] // 64)), np.uint64)
    words.view(np.uint8)[:, : packed.shape[1]] = packed
    law = Law(*size, 0.4, 0.4)
    as_sites, as_spins, as_bits = (Output(law, 5, *form) for form in ((False, False), (True, False), (False, True)))
    for out in (as_sites, as_spins, as_bits):
        out.write(0, words[:2])
        out.write(2, words[2:])
    assert np.array_equal(as_sites.array, sites)
    assert np.array_equal(as_spins.array, 2 * sites.astype(np.int8) - 1)
    assert np.array_equal(unpack(as_bits.array, size), sites)


def test_bits_have_no_signs() -> None:
    with pytest.raises(ValueError, match="spins and packed"):
        Output(Law(4, 4, 0.4, 0.4), 1, spins=True, packed=True)
