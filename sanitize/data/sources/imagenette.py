"""Imagenette, ten easy classes of ImageNet: from a folder or downloaded by torchvision, cut and resized to one size."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from PIL import Image, ImageOps

from sanitize.data.public import encoded_table, through_torchvision
from sanitize.data.splits import Splits
from sanitize.errors import BadInput
from sanitize.params import DataParams

SIZE = 224
CLASS_NAMES = (  # in the order of their WordNet ids, which is torchvision's
    "tench",
    "English springer",
    "cassette player",
    "chain saw",
    "church",
    "French horn",
    "garbage truck",
    "gas pump",
    "golf ball",
    "parachute",
)
COPIES = {"imagenette2-320": "320px", "imagenette2": "full", "imagenette2-160": "160px"}  # the best for SIZE first
LAYOUT = "imagenette2-320, imagenette2 or imagenette2-160, each with the folders train and val"


def load(data: DataParams, seed: int) -> Splits:
    """Colour images, the largest square in the middle resized to data.image_size (224 if null), stored as PNG.

    data     folder: with one of imagenette2-320, imagenette2, imagenette2-160; null = the 320 pixel copy is
             downloaded into data/downloads
    seed     not used: the split is the published one (val is the test part)
    Raises   BadInput: the files are not there, damaged, or cannot be downloaded; a class has no folder
    """
    size = data.image_size or SIZE

    def middle(image: Image.Image) -> Image.Image:
        return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)

    def build(datasets: ModuleType, root: str, download: bool) -> Splits:
        there = [name for name in COPIES if (Path(root) / name).is_dir()]
        copy = COPIES[there[0]] if there else "320px"
        tables = []
        for split in ("train", "val"):
            part = datasets.Imagenette(root, split=split, size=copy, download=download)
            names = tuple(synonyms[0] for synonyms in part.classes)
            if names != CLASS_NAMES:
                raise BadInput(
                    f"{root}: {split} has the classes {', '.join(names)}; must have {', '.join(CLASS_NAMES)}"
                )
            tables.append(encoded_table((part[row] for row in range(len(part))), middle, CLASS_NAMES))
        return Splits(*tables)

    return through_torchvision("imagenette", data.folder, LAYOUT, build)
