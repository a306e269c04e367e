"""One module per network; each has build(shape, classes). params.yaml finds it by its name."""

from __future__ import annotations

from sanitize.errors import BadParams


def image_shape(net: str, shape: tuple[int, ...], least: int) -> tuple[int, int, int]:
    """(K, H, W) of the images that `net` is to take.

    least    smallest side in pixels
    Raises   BadParams: the rows are vectors, or the images are too small
    """
    if len(shape) != 3:
        raise BadParams(f"learner.net is {net!r}, which needs images; use 'mlp' or 'linear' for {shape[0]} features")
    channels, height, width = shape
    if min(height, width) < least:
        raise BadParams(f"learner.net is {net!r}, but images are {height}x{width}; needs {least}x{least}; use 'mlp'")
    return channels, height, width
