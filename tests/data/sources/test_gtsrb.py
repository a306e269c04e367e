"""GTSRB from a folder."""

from pathlib import Path

import pytest
from PIL import Image

from sanitize.data.arrow import decode_table
from sanitize.data.ingest import load_source
from sanitize.errors import BadInput
from sanitize.params import DataParams


def fill(folder: Path) -> Path:
    """One train image per class, of colour = class and height = class + 10; two test images of classes 14 and 3."""
    base = folder / "gtsrb" / "GTSRB"
    for number in range(43):
        place = base / "Training" / f"{number:05d}"
        place.mkdir(parents=True)
        Image.new("RGB", (15, number + 10), (number, number, number)).save(place / "00000_00000.ppm")
    (base / "Final_Test" / "Images").mkdir(parents=True)
    for name, number in (("00000", 14), ("00001", 3)):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(base / "Final_Test" / "Images" / f"{name}.ppm")
    (folder / "gtsrb" / "GT-final_test.csv").write_text("Filename;ClassId\n00000.ppm;14\n00001.ppm;3\n")
    return base


@pytest.mark.parametrize(("given", "size"), [(None, 32), (12, 12)])
def test_folder(tmp_path: Path, given: int | None, size: int) -> None:
    fill(tmp_path)
    splits = load_source(DataParams(source="gtsrb", folder=str(tmp_path), image_size=given), 0)
    assert splits.test is not None
    (train, columns), (test, _) = decode_table(splits.train), decode_table(splits.test)
    assert train.inputs.shape == (43, size, size, 3)
    assert train.labels.tolist() == list(range(43))
    assert train.inputs[:, 0, 0, 1].tolist() == list(range(43))
    assert test.labels.tolist() == [14, 3]
    assert test.inputs[:, 5, 5].tolist() == [[14, 0, 0], [3, 0, 0]]
    assert [columns.class_names[number] for number in (0, 7, 14, 42)] == [
        "speed limit 20",
        "speed limit 100",
        "stop",
        "end of no passing for trucks",
    ]


def test_folders_that_lack_something(tmp_path: Path) -> None:
    data = DataParams(source="gtsrb", folder=str(tmp_path))
    with pytest.raises(
        BadInput, match=r"where gtsrb cannot be read .*; it must hold gtsrb/GTSRB/Training/00000 to 00042"
    ):
        load_source(data, 0)
    base = fill(tmp_path)
    picture = base / "Training" / "00007" / "00000_00000.ppm"
    picture.write_bytes(b"P6 damaged")
    with pytest.raises(BadInput, match="where gtsrb cannot be read"):
        load_source(data, 0)
    picture.unlink()
    picture.parent.rmdir()
    with pytest.raises(BadInput, match="must hold a folder for each of 00000 to 00042 and no other; differs in 00007"):
        load_source(data, 0)
