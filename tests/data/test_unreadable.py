"""What damaged images raise."""

import io
import subprocess
import sys

import pytest
from PIL import Image

from veridical.data.unreadable import UNREADABLE


@pytest.mark.parametrize("cut", [0, 7, 20, 40])
def test_cut_images_raise_what_is_listed(cut: int) -> None:
    file = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(file, "PNG")
    with pytest.raises(UNREADABLE):
        Image.open(io.BytesIO(file.getvalue()[:cut])).load()


def test_the_list_is_read_without_numpy() -> None:
    code = "import sys, veridical.data.unreadable; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
