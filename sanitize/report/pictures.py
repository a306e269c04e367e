"""Thumbnails: decoded pixels -> a PNG of our own making as a data: URI. The user's bytes never reach the page."""

# H x W pixels, K channels
from __future__ import annotations

import base64

import numpy as np
from PIL import Image

from sanitize.data.images import Pixels, encode_image

LONGEST = 96  # pixels of a thumbnail's longer side; smaller images stay as they are, the page enlarges them


def thumbnail(image: Pixels) -> str:
    """One image as `data:image/png;base64,...`.

    image    uint8 [H, W, 1 or 3]
    Returns  the URI of a PNG of at most LONGEST pixels a side; the same pixels give the same text
    """
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
    longer = max(picture.size)
    if longer > LONGEST:
        small = tuple(max(1, round(side * LONGEST / longer)) for side in picture.size)
        picture = picture.resize((small[0], small[1]), Image.Resampling.BOX)
    return "data:image/png;base64," + base64.b64encode(encode_image(picture)).decode()
