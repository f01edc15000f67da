"""What compressors write: read back, compared with the exact entropy, and of configurations without any."""

import bz2
import io
import lzma
import math
import zlib

import numpy as np
import pytest
from PIL import Image

from veridical.ising import sample
from veridical.ising.compressors import COMPRESSORS, compressor_bound
from veridical.ising.exact import CRITICAL_COUPLING, entropy_per_site


@pytest.fixture(scope="module")
def critical():
    return sample(32, 600, seed=5, threads=1).view(bool)


def test_what_compressors_write_can_be_read_back(critical):
    packed = np.packbits(critical[:50].reshape(50, -1), axis=1).tobytes()
    for name, read_back, write in (
        ("zlib", zlib.decompress, lambda d: zlib.compress(d, 9)),
        ("bz2", bz2.decompress, lambda d: bz2.compress(d, 9)),
        ("xz", lzma.decompress, lambda d: lzma.compress(d, preset=9 | lzma.PRESET_EXTREME)),
    ):
        assert read_back(write(packed)) == packed
        assert COMPRESSORS[name](critical[:50]) == len(write(packed))
    file = io.BytesIO()
    Image.fromarray(critical[:50].reshape(-1, 32)).save(file, "png", optimize=True)
    assert COMPRESSORS["PNG"](critical[:50]) == len(file.getvalue())
    assert (np.asarray(Image.open(file)) == critical[:50].reshape(-1, 32)).all()


@pytest.mark.parametrize("name", COMPRESSORS)
def test_compressors_need_more_than_the_entropy(name, critical):
    found = compressor_bound(critical[:600], name)
    assert found.low > float(entropy_per_site(32, 32, CRITICAL_COUPLING)) / math.log(2)
    assert found.low < found.bits < found.high < 0.95
    assert found.n == 600


@pytest.mark.parametrize("name", COMPRESSORS)
def test_coins_cost_a_bit_each_and_constants_nothing(name):
    coins = np.random.default_rng(0).random((200, 32, 32)) < 0.5
    assert 1.0 <= compressor_bound(coins, name).bits < 1.2  # headers, and what PNG spends per row
    assert compressor_bound(np.ones((200, 32, 32), bool), name).bits < 0.02


def test_arguments(critical):
    with pytest.raises(ValueError, match="name is 'rar'"):
        compressor_bound(critical, "rar")
    assert compressor_bound(critical[:5], "zlib").high == math.inf
