"""Thumbnails: decoded pixels -> a PNG of our own making as a data: URI. The user's bytes never reach the page."""

# H x W pixels, K channels
from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from PIL import Image

from sanitize.data.images import Pixels, encode_image

LONGEST = 96  # pixels of a thumbnail's longer side; smaller images stay as they are, the page enlarges them


def within(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width, shrunk where the longer one is more than `side`."""
    part = min(1.0, side / max(shape))
    return max(1, round(shape[0] * part)), max(1, round(shape[1] * part))


def resized(image: Pixels, shape: tuple[int, int]) -> Pixels:
    """An image [H, W, 1 or 3] at this height and width, each pixel the mean of what it covers."""
    if image.shape[:2] == shape:
        return image
    small = _picture(image).resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(small, np.uint8).reshape(*shape, image.shape[2])


def data_uri(image: Pixels) -> str:
    """An image as it is, uint8 [H, W, 1 or 3], as `data:image/png;base64,...`."""
    return "data:image/png;base64," + base64.b64encode(encode_image(_picture(image))).decode()


def write_png(path: Path, image: Pixels) -> None:
    """Write an image, uint8 [H, W, 1 or 3]."""
    path.write_bytes(encode_image(_picture(image)))


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
