"""GTSRB, the German traffic signs: 43 classes, from a folder or downloaded by torchvision, resized to one size."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from PIL import Image

from sanitize.data.public import encoded_table, through_torchvision
from sanitize.data.splits import Splits
from sanitize.errors import BadInput
from sanitize.params import DataParams

SIZE = 32
CLASS_NAMES = (
    *(f"speed limit {limit}" for limit in (20, 30, 50, 60, 70, 80)),
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for trucks",
    "right of way at next crossing",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no trucks",
    "no entry",
    "general caution",
    "curve left",
    "curve right",
    "double curve",
    "bumpy road",
    "slippery road",
    "road narrows on the right",
    "road work",
    "traffic signals",
    "pedestrians",
    "children crossing",
    "bicycles crossing",
    "ice or snow",
    "wild animals",
    "end of all limits",
    "turn right ahead",
    "turn left ahead",
    "ahead only",
    "straight or right",
    "straight or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for trucks",
)
LAYOUT = "gtsrb/GTSRB/Training/00000 to 00042, gtsrb/GTSRB/Final_Test/Images and gtsrb/GT-final_test.csv"


def load(data: DataParams, seed: int) -> Splits:
    """Colour images, resized to data.image_size (32 if null) pixels square and stored as PNG; 43 classes.

    data     folder: with gtsrb/GTSRB as torchvision unpacks it; null = downloaded into data/downloads
    seed     not used: the split is the published one
    Raises   BadInput: the files are not there, damaged, or cannot be downloaded; a class has no folder
    """
    size = data.image_size or SIZE

    def squashed(image: Image.Image) -> Image.Image:
        return image.resize((size, size), Image.Resampling.BILINEAR)

    def build(datasets: ModuleType, root: str, download: bool) -> Splits:
        parts = [datasets.GTSRB(root, split=split, download=download) for split in ("train", "test")]
        _refuse_missing_classes(Path(root) / "gtsrb/GTSRB/Training")
        train, test = (encoded_table((part[row] for row in range(len(part))), squashed, CLASS_NAMES) for part in parts)
        return Splits(train, test)

    return through_torchvision("gtsrb", data.folder, LAYOUT, build)


def _refuse_missing_classes(folder: Path) -> None:
    """torchvision numbers the folders that are there: with one missing, all later labels would be wrong."""
    there = {path.name for path in folder.iterdir() if path.is_dir()}
    expected = {f"{number:05d}" for number in range(len(CLASS_NAMES))}
    if there != expected:
        odd = ", ".join(sorted(there ^ expected))
        raise BadInput(f"{folder}: must hold a folder for each of 00000 to 00042 and no other; differs in {odd}")
