"""Embedded colour profiles: sRGB changes nothing, one with exchanged primaries exchanges colours, CMYK becomes RGB."""

import io

import numpy as np
from PIL import Image, ImageCms

from veridical.data.colour import profile_of, to_srgb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_profile(profile: bytes | None, colour: tuple[int, ...] = (200, 30, 90), mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (2, 2), colour)
    if profile is not None:
        image.info["icc_profile"] = profile
    return image


def swapped(profile: bytes) -> bytes:
    """Return the profile with the names of its red and blue primaries exchanged."""
    assert b"rXYZ" in profile and b"bXYZ" in profile
    return profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")


def test_srgb_and_no_profile_and_a_damaged_one_change_nothing() -> None:
    for profile in (SRGB, None, b"nonsense"):
        image = with_profile(profile)
        assert profile_of(image) is None and to_srgb(image) is image


def test_exchanged_primaries_exchange_red_and_blue() -> None:
    image = with_profile(swapped(SRGB))
    assert profile_of(image) is not None
    converted = np.asarray(to_srgb(image))[0, 0].astype(int)
    assert np.abs(converted - [90, 30, 200]).max() <= 2


def test_a_profile_of_another_mode_is_left_alone() -> None:
    assert profile_of(with_profile(swapped(SRGB), (1,), "L")) is None


def test_a_profile_survives_a_file() -> None:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (200, 30, 90)).save(file, "png", icc_profile=swapped(SRGB))
    with Image.open(file) as image:
        assert np.asarray(to_srgb(image))[0, 0, 0] < 100
