"""Random words from a counter against those of its authors."""

import numpy as np
import pytest

from veridical.ising.kernels.philox import philox, two_words

KNOWN = [  # Random123, kat_vectors, philox4x32 10
    ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_the_words_are_those_of_random123(counter, key, expected):
    words = philox(*np.array([*counter, *key], np.uint32))
    assert tuple(int(word) for word in words) == expected
    first, second = two_words(counter[0], counter[1:], key)
    assert (int(first), int(second)) == (expected[0] | expected[1] << 32, expected[2] | expected[3] << 32)
