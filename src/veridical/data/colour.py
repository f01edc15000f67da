"""Embedded colour profiles of images: conversion to sRGB, the colour space of screens."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

_MODES = ("RGB", "CMYK")
_NO_CACHE = 0x0040  # of lcms: transforms without it must not be shared between threads


def profile_of(image: Image.Image) -> bytes | None:
    """Return the embedded profile of a colour image whose conversion to sRGB changes its colours; otherwise None."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or image.mode not in _MODES:
        return None
    return profile if _transform(profile, image.mode) is not None else None


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image by its embedded profile, relative colorimetric; an image without a profile is not changed."""
    profile = profile_of(image)
    transform = None if profile is None else _transform(profile, image.mode)
    if transform is None:
        return image
    converted = ImageCms.applyTransform(image, transform)
    return image if converted is None else converted


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform to sRGB; None for damaged profiles and for profiles without effect, such as sRGB."""
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    try:
        own, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(own, target, mode, "RGB", intent, ImageCms.Flags(_NO_CACHE))
    except (ImageCms.PyCMSError, OSError):
        return None
    return transform if mode != "RGB" or _changes_colours(transform) else None


def _changes_colours(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether any of 27 colours changes by more than rounding."""
    steps = (0, 128, 255)
    probe = Image.new("RGB", (27, 1))
    probe.putdata([(r, g, b) for r in steps for g in steps for b in steps])
    moved = ImageCms.applyTransform(probe, transform)
    if moved is None:
        return False
    pairs = zip(probe.tobytes(), moved.tobytes(), strict=True)
    return max(abs(before - after) for before, after in pairs) > 2
