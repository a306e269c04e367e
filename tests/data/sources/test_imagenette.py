"""Imagenette from a folder."""

from pathlib import Path

import pytest
from PIL import Image

from sanitize.data.arrow import decode_table
from sanitize.data.ingest import load_source
from sanitize.errors import BadInput
from sanitize.params import DataParams

WORDNET = [
    f"n{i:08d}" for i in (1440764, 2102040, 2979186, 3000684, 3028079, 3394916, 3417042, 3425413, 3445777, 3888257)
]


@pytest.mark.parametrize("copy", ["imagenette2-320", "imagenette2", "imagenette2-160"])
def test_folder(tmp_path: Path, copy: str) -> None:
    for split, brighter in (("train", 0), ("val", 100)):
        for number, name in enumerate(WORDNET):
            place = tmp_path / copy / split / name
            place.mkdir(parents=True)
            grey = 10 * number + brighter
            image = Image.new("RGB", (60, 20), (255, 0, 0))
            image.paste((grey, grey, grey), (20, 0, 40, 20))  # the middle square
            image.save(place / "a.JPEG", "JPEG", quality=95, subsampling=0)
    splits = load_source(DataParams(source="imagenette", folder=str(tmp_path), image_size=8), 0)
    assert splits.test is not None
    (train, columns), (test, _) = decode_table(splits.train), decode_table(splits.test)
    assert train.inputs.shape == test.inputs.shape == (10, 8, 8, 3)
    assert train.labels.tolist() == list(range(10))
    for number in range(10):
        assert abs(int(train.inputs[number, 4, 4, 0]) - 10 * number) <= 3
        assert abs(int(test.inputs[number, 4, 4, 2]) - 10 * number - 100) <= 3
    assert columns.class_names[0] == "tench"
    assert columns.class_names[9] == "parachute"

    for split in ("train", "val"):
        (tmp_path / copy / split / WORDNET[4] / "a.JPEG").unlink()
        (tmp_path / copy / split / WORDNET[4]).rmdir()
    with pytest.raises(BadInput, match=r"train has the classes tench, .*; must have tench"):
        load_source(DataParams(source="imagenette", folder=str(tmp_path)), 0)


def test_folder_without_the_data(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"where imagenette cannot be read .*; it must hold imagenette2-320, imagenette2 or"
    ):
        load_source(DataParams(source="imagenette", folder=str(tmp_path)), 0)
