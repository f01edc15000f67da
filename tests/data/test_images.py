import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from veridical.data import images
from veridical.data.images import (
    Decoding,
    decode,
    extensions,
    fit_array,
    fit_image,
    quiet_pillow,
    read_header,
)
from veridical.data.unreadable import UNREADABLE

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)  # height 6, width 4
GREY = RGB[..., 0]


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def pixels(path: Path, *, grey: bool = False) -> np.ndarray:
    return decode(path, Decoding(grey=grey))


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "tga"])
def test_lossless_formats_come_back_exactly(ending: str, tmp_path: Path) -> None:
    path = saved(tmp_path / f"a.{ending}", Image.fromarray(RGB))
    assert f".{ending}" in extensions()
    header = read_header(path)
    assert (header.size, header.grey, header.changes) == ((4, 6), False, ())
    assert (pixels(path) == RGB.transpose(2, 0, 1)).all()


def test_formats_that_run_other_programs_are_no_images() -> None:
    assert not {".eps", ".ps", ".wmf", ".pdf"} & extensions()


def test_grey_stays_grey_and_can_be_made_colour(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(GREY))
    assert read_header(path).grey
    assert (pixels(path, grey=True) == GREY[None]).all()
    assert (pixels(path) == GREY[None].repeat(3, axis=0)).all()


def test_colour_made_grey_is_its_luma(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    assert np.abs(pixels(path, grey=True)[0] - RGB @ [0.299, 0.587, 0.114]).max() <= 0.51


def test_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(GREY > 127))
    assert read_header(path).grey
    assert (pixels(path, grey=True)[0] == 255 * (GREY > 127)).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits_are_rounded_to_8(ending: str, tmp_path: Path) -> None:
    values = np.array([[0, 128, 129, 257], [32767, 32768, 65406, 65535]], np.uint16)
    path = saved(tmp_path / f"a.{ending}", Image.fromarray(values))
    header = read_header(path)
    assert header.grey and header.changes == ("16 bits rounded to 8 (v/257)",)
    assert (pixels(path, grey=True)[0] == np.rint(values / 257)).all()
    assert pixels(path, grey=True)[0, 0].tolist() == [0, 0, 1, 1]


def test_16_bit_colour_is_said(tmp_path: Path) -> None:
    """Pillow cannot write it: the file is made of its chunks."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + struct.pack(">6H", 0x1234, 0xFFFF, 0, 0x80FF, 1, 2)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    )
    assert read_header(path).changes == ("16-bit colour cut to its upper 8 bits",)
    assert pixels(path)[:, 0].T.tolist() == [[0x12, 0xFF, 0], [0x80, 0, 0]]


def test_transparency_is_composited_on_black(tmp_path: Path) -> None:
    alpha = RNG.integers(0, 256, (6, 4), dtype=np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(np.dstack([RGB, alpha])))
    header = read_header(path)
    assert header.changes == ("transparency composited on black",) and not header.grey
    assert np.abs(pixels(path).transpose(1, 2, 0) - RGB * (alpha[..., None] / 255)).max() <= 1


def test_grey_with_transparency_stays_grey(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(np.dstack([GREY, np.full_like(GREY, 255)]), mode=None))
    assert read_header(path).grey
    assert (pixels(path, grey=True)[0] == GREY).all()


def test_palette_of_colours_and_of_greys(tmp_path: Path) -> None:
    colour = Image.fromarray(RGB).quantize(8)
    path = saved(tmp_path / "a.png", colour)
    assert read_header(path).changes == ("palette resolved",) and not read_header(path).grey
    assert (pixels(path) == np.asarray(colour.convert("RGB")).transpose(2, 0, 1)).all()
    levels = Image.fromarray(GREY // 64)
    levels = Image.frombytes("P", levels.size, levels.tobytes())
    levels.putpalette([v for grey in (0, 80, 160, 240) for v in (grey, grey, grey)])
    assert read_header(saved(tmp_path / "b.png", levels)).grey
    assert (pixels(tmp_path / "b.png", grey=True)[0] == 80 * (GREY // 64)).all()


def test_transparent_palette(tmp_path: Path) -> None:
    image = Image.frombytes("P", (2, 1), bytes([0, 1]))
    image.putpalette([200, 100, 50, 10, 20, 30])
    path = saved(tmp_path / "a.png", image, transparency=0)
    assert "transparency composited on black" in read_header(path).changes
    assert pixels(path)[:, 0].T.tolist() == [[0, 0, 0], [10, 20, 30]]


def test_cmyk(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(RGB).convert("CMYK"))
    assert read_header(path).changes == ("CMYK converted to RGB",)
    assert np.abs(pixels(path).astype(int) - RGB.transpose(2, 0, 1)).max() <= 1


@pytest.mark.parametrize("ending", ["gif", "png", "tif"])
def test_the_first_frame_of_an_animation(ending: str, tmp_path: Path) -> None:
    first, second = (Image.new("L", (3, 2), level) for level in (50, 200))
    path = saved(tmp_path / f"a.{ending}", first, save_all=True, append_images=[second])
    assert "first frame of an animation or a stack taken" in read_header(path).changes
    assert (pixels(path, grey=True) == 50).all()


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, np.transpose),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).T),
        (8, np.rot90),
    ],
)
def test_exif_orientation_is_applied_and_said(orientation: int, turn, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", Image.fromarray(GREY), exif=exif)
    expected = turn(GREY)
    header = read_header(path)
    assert header.size == expected.shape[::-1]
    assert bool(header.changes) == (orientation != 1)
    assert (pixels(path, grey=True)[0] == expected).all()


def test_exif_after_the_pixels_of_a_png_is_found(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(tmp_path / "a.png", Image.fromarray(GREY), exif=exif).read_bytes()
    start = content.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(content[start : start + 4], "big")
    end = content.index(b"IEND") - 4
    (tmp_path / "a.png").write_bytes(content[:start] + content[stop:end] + content[start:stop] + content[end:])
    assert read_header(tmp_path / "a.png").size == (6, 4)
    assert (pixels(tmp_path / "a.png", grey=True)[0] == np.rot90(GREY, -1)).all()


@pytest.mark.parametrize("values", [GREY.astype(np.float32), np.full((2, 2), 70_000, np.int32)])
def test_images_without_8_bit_values_are_refused(values: np.ndarray, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    with pytest.raises(ValueError, match="store them as npy"):
        pixels(path, grey=True)


@pytest.mark.parametrize("keep", [0, 5, 60, 0.5, 0.9])
@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "bmp", "tif"])
def test_files_that_are_cut_short_raise_what_is_declared(ending: str, keep: float, tmp_path: Path) -> None:
    big = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = saved(tmp_path / f"a.{ending}", big)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises(UNREADABLE), quiet_pillow():
        pixels(path)


class TestFit:
    def test_crop_takes_the_centre(self) -> None:
        columns = Image.fromarray(np.tile(np.arange(10, dtype=np.uint8), (4, 1)))
        assert np.asarray(fit_image(columns, 4, "crop"))[0].tolist() == [3, 4, 5, 6]

    def test_pad_adds_black_on_both_sides(self) -> None:
        white = Image.new("RGB", (8, 4), (255, 255, 255))
        padded = np.asarray(fit_image(white, 8, "pad"))
        assert padded.shape == (8, 8, 3)
        assert (padded[2:6] == 255).all() and (padded[:2] == 0).all() and (padded[6:] == 0).all()

    def test_stretch_fills_the_square(self) -> None:
        white = Image.new("L", (8, 4), 255)
        assert (np.asarray(fit_image(white, 6, "stretch")) == np.full((6, 6), 255)).all()

    def test_reduction_is_antialiased(self) -> None:
        stripes = np.zeros((64, 64), np.uint8)
        stripes[:, ::2] = 255  # above the new Nyquist frequency: it must average out, not alias
        small = np.asarray(fit_image(Image.fromarray(stripes), 16, "error")).astype(int)
        assert np.abs(small - 127.5).max() < 12

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_arrays_stay_in_their_range_and_type(self, dtype) -> None:
        x = RNG.integers(0, 17, (3, 2, 8, 8)).astype(dtype)
        small = fit_array(x, 5, "error")
        assert small.shape == (3, 2, 5, 5) and small.dtype == dtype
        assert small.min() >= x.min() and small.max() <= x.max()
        larger = fit_array(x, 16, "error")
        assert larger.max() <= 16  # bicubic overshoots at edges

    def test_arrays_are_resized_as_images_are(self) -> None:
        x = RGB.transpose(2, 0, 1)[None]
        whole = np.asarray(fit_image(Image.fromarray(RGB), 4, "crop")).transpose(2, 0, 1)
        assert (fit_array(x, 4, "crop")[0] == np.clip(whole, x.min(), x.max())).all()


class TestProfiles:
    """Embedded colour profiles: the case icc_profile and its kind."""

    @staticmethod
    def exchanged() -> bytes:
        """A profile that is sRGB with the red and green primaries exchanged."""
        profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        at = {}
        for i in range(int.from_bytes(profile[128:132])):
            entry = 132 + 12 * i
            at[bytes(profile[entry : entry + 4])] = entry
        red, green = at[b"rXYZ"], at[b"gXYZ"]
        profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
            profile[green + 4 : green + 12],
            profile[red + 4 : red + 12],
        )
        return bytes(profile)

    def test_colours_are_those_that_a_viewer_shows(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Image.new("RGB", (4, 4), (215, 15, 14)).save(path, icc_profile=self.exchanged())
        assert read_header(path).changes == ("embedded colour profile converted to sRGB",)
        pixels = decode(path, Decoding())[:, 0, 0].astype(int)
        assert abs(pixels - [15, 215, 14]).max() <= 2

    def test_srgb_itself_and_damaged_profiles_change_nothing(self, tmp_path: Path) -> None:
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        for i, profile in enumerate((srgb, b"damaged")):
            path = tmp_path / f"{i}.png"
            Image.new("RGB", (4, 4), (215, 15, 14)).save(path, icc_profile=profile)
            assert read_header(path).changes == ()
            assert decode(path, Decoding())[:, 0, 0].tolist() == [215, 15, 14]


def test_transparency_lies_on_the_stated_background(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(path)
    for background, value in (("black", 0), ("white", 255)):
        decoding = Decoding(background=background)
        assert (decode(path, decoding) == value).all()
        assert read_header(path, decoding).changes == (f"transparency composited on {background}",)


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_images_copied_in_strips_are_the_same(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a strip that starts a row too late."""
    array = {"L": GREY, "RGB": RGB, "I;16": GREY.astype(np.uint16) * 257}[mode]
    path = saved(tmp_path / "a.png", Image.fromarray(array))
    whole = decode(path, Decoding(grey=mode != "RGB"))
    monkeypatch.setattr(images, "_STRIP", 9)  # two rows of four pixels
    assert (decode(path, Decoding(grey=mode != "RGB")) == whole).all()
    assert (whole == (RGB.transpose(2, 0, 1) if mode == "RGB" else GREY[None])).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_the_stated_memory_is_an_upper_bound(mode: str, tmp_path: Path) -> None:
    """A pixel takes at most 4 bytes in Pillow; decoding copies none more often than is stated."""
    path = saved(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"), Image.new(mode, (40, 30)))
    with Image.open(path) as image:
        assert images.memory_of(image) >= 40 * 30 * (4 + 3)
        if mode in ("RGBA", "LA"):
            assert images.memory_of(image) >= 40 * 30 * (4 * 4 + 3)


def test_sides_of_millions_of_pixels_are_refused(tmp_path: Path) -> None:
    """Mutant: a damaged TIFF that states 16 million rows is decoded for many seconds."""
    path = saved(tmp_path / "a.png", Image.new("1", (1, 500_001)))
    with quiet_pillow(), pytest.raises(ValueError, match="500,001 pixels; a side of at most 500,000"):
        read_header(path)


def test_the_log_of_pillow_is_quiet_inside_and_restored_after(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_pillow():
        logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded")
    assert caplog.records == []
    logging.getLogger("PIL.TiffImagePlugin").error("heard")
    assert len(caplog.records) == 1
