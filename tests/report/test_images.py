import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.report.images import Embedded, embed, spread


def noise(path: Path, shape: tuple[int, ...], mode: str | None = None) -> Path:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


def opened(embedded: Embedded) -> Image.Image:
    data = base64.b64decode(embedded.uri.partition(",")[2])
    assert len(data) == embedded.bytes
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_an_image_that_fits_is_embedded_to_the_byte(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", (40, 50))
    image = embed(path, 100_000, 64, tmp_path)
    assert base64.b64decode(image.uri.removeprefix("data:image/png;base64,")) == path.read_bytes()
    assert (image.width, image.height, image.change, image.file) == (50, 40, "", "a.png")


@pytest.mark.parametrize("most", [100_000, 20_000, 3_000])
def test_an_image_that_does_not_fit_is_squeezed_and_says_so(tmp_path: Path, most: int) -> None:
    embedded = embed(noise(tmp_path / "a.png", (256, 256, 3)), most, 1000, tmp_path)
    assert embedded.bytes <= most and opened(embedded).size == (embedded.width, embedded.height)
    assert "recompressed as JPEG" in embedded.change
    assert ("reduced to" in embedded.change) == (embedded.width < 256)


def test_long_sides_are_reduced_in_proportion(tmp_path: Path) -> None:
    image = embed(noise(tmp_path / "a.png", (100, 400)), 1_000_000, 200, tmp_path)
    assert (image.width, image.height) == (200, 50) and image.change == "400×100 reduced to 200×50"
    assert opened(image).mode == "L"


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA", "CMYK"])
def test_any_kind_of_image_can_be_squeezed(tmp_path: Path, mode: str) -> None:
    kind = "tif" if mode == "CMYK" else "png"
    path = noise(tmp_path / f"a.{kind}", (128, 128, 3), mode)
    assert embed(path, 2_000, 1000, tmp_path).bytes <= 2_000


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    with pytest.raises(ValueError, match=r"a.png is not a readable image"):
        embed(tmp_path / "a.png", 1000, 100, tmp_path)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb.png is not a readable image"):
        embed(tmp_path / "bomb.png", 1000, 100, tmp_path)


def test_spread_keeps_first_and_last() -> None:
    for count in range(1, 50):
        found = spread(count, 12)
        assert found[0] == 0 and found[-1] == count - 1 and len(found) == min(count, 12) == len(set(found))


def test_a_flipped_bit_in_a_picture_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "samples.png"
    Image.fromarray(np.arange(64 * 64, dtype=np.uint32).astype(np.uint8).reshape(64, 64)).save(path, compress_level=0)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1  # a pixel: decodes without an error
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"samples.png is not a readable image"):
        embed(path, 1_000_000, 1_000, tmp_path)


def test_bytes_after_the_end_of_a_picture_do_not_enter_the_page(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", (40, 50))
    before = embed(path, 100_000, 64, tmp_path)
    path.write_bytes(path.read_bytes() + b"more")
    assert embed(path, 100_000, 64, tmp_path) == before
