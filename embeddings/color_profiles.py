"""Embedded colour profiles: from a photo's own colour space to sRGB, which is what networks and pages expect."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

# Profiles of cameras and monitors take up to 20 kB, of printing presses up to 3 MB; larger ones are not honest.
MAX_PROFILE_BYTES = 4 * 1024 * 1024

_SPACE_OF_MODE = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}


def convert_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB, by the profile that its file carries.

    Colour is an attribute people search by. A red in Adobe RGB or Display P3 read as sRGB comes out paler, and a CMYK
    file read without its press profile far too bright, so the profile is honoured wherever it makes sense. Where it
    does not (damaged, for another kind of samples, oversized), the samples are read as sRGB, as browsers do.

    Args:
        image: Decoded, mode ``RGB``, ``L`` or ``CMYK``.
        profile: The ICC profile's bytes, or None or empty where the file has none.

    Returns:
        A new image of mode ``RGB``, or ``image`` itself where it is RGB and needs no conversion.
    """
    if not profile or len(profile) > MAX_PROFILE_BYTES:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _SPACE_OF_MODE[image.mode] or _says_srgb(source):
            return image.convert("RGB")
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(source, srgb, image.mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
        return transform.apply(image)
    except (OSError, ValueError, ImageCms.PyCMSError):
        # A broken profile spoils the exact shade, not the photo.
        return image.convert("RGB")


def _says_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile calls itself sRGB, as nearly all do; spares the transform its cost."""
    return "srgb" in (profile.profile.profile_description or "").casefold()
