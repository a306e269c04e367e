"""Every file of a folder or pattern, and every one once; what cannot be listed or is no file is refused by name."""

import os

import pytest

from sanitize.errors import BadInput
from sanitize.io.listing import files_below, files_like
from sanitize.io.regular import open_regular
from sanitize.io.splits import choose_split, split_of


@pytest.fixture
def tree(tmp_path):
    """a.parquet, sub/b.parq, sub/deep/c.PQ, and what is none of them."""
    (tmp_path / "sub/deep").mkdir(parents=True)
    for name in ("a.parquet", "sub/b.parq", "sub/deep/c.PQ", "README.md", "_meta.parquet", ".h.parquet"):
        (tmp_path / name).write_text(name)
    return tmp_path


ALL = ["a.parquet", "sub/b.parq", "sub/deep/c.PQ"]


def test_all_files_and_no_hidden_ones(tree):
    assert files_below(str(tree)) == (ALL, [])


@pytest.mark.parametrize("pattern", ["**", "**/**", "*", "**/*.[pP]*", "**/**/*.[pP]*", "[as]*", "?ub/../*.parquet"])
def test_patterns_name_each_file_once(tree, pattern):
    (tree / "_meta.parquet").unlink()
    if ".." in pattern:
        with pytest.raises(BadInput, match=r"has '\.\.' behind a wildcard"):
            files_like(str(tree), pattern)
        return
    (tree / "README.md").unlink()
    assert files_like(str(tree), pattern) == (ALL, [])


def test_a_part_without_wildcard_and_hidden_files_as_shells_have_it(tree):
    assert files_like(str(tree), "*/deep/*") == (["sub/deep/c.PQ"], [])
    assert files_like(str(tree), "*.parquet")[0] == ["_meta.parquet", "a.parquet"]
    assert files_like(str(tree), ".*.parquet")[0] == [".h.parquet"]
    assert files_like(str(tree), "*.nothing") == ([], [])


@pytest.mark.parametrize("target", [".", "sub", "sub/deep"])
@pytest.mark.parametrize("at", ["loop", "sub/loop", "sub/deep/loop"])
def test_links_to_folders_and_loops_of_them_bring_no_file_twice(tree, at, target):
    (tree / at).symlink_to(tree / target)
    for found, notes in (files_below(str(tree)), files_like(str(tree), "**/*.[pP]*[tqQ]")):
        assert [name for name in found if not name.startswith("_")] == ALL
        assert any("is the same folder as" in note for note in notes)


def test_a_linked_folder_outside_is_read(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "d.parquet").write_text("d")
    (tree / "linked").symlink_to(other)
    assert files_below(str(tree)) == (sorted([*ALL, "linked/d.parquet"]), [])


def test_two_names_of_one_file_count_once_and_that_is_said(tree):
    (tree / "0.parquet").symlink_to("a.parquet")
    os.link(tree / "sub/b.parq", tree / "sub/deep/z.parq")
    found, notes = files_below(str(tree))
    assert found == ALL
    assert sorted(note.split(": ")[1] for note in notes) == [
        f"is the same file as {tree}/a.parquet, and is read once",
        f"is the same file as {tree}/sub/b.parq, and is read once",
    ]


def test_many_folders_that_link_to_each_other_take_no_time(tmp_path):
    folders = [tmp_path / str(number) for number in range(12)]
    for folder in folders:
        folder.mkdir()
        (folder / "x.parquet").write_text(folder.name)
        for other in folders:
            (folder / f"to{other.name}").symlink_to(other)
    assert len(files_below(str(tmp_path))[0]) == 12
    assert len(files_like(str(tmp_path), "**/**/*.parquet")[0]) == 12


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_may_not_be_listed_is_named(tree):
    (tree / "sub/deep").chmod(0)
    try:
        for find in (lambda: files_below(str(tree)), lambda: files_like(str(tree), "**/*.parquet")):
            with pytest.raises(BadInput, match="sub/deep: this folder may not be listed; change its permissions"):
                find()
    finally:
        (tree / "sub/deep").chmod(0o755)


def test_a_folder_that_cannot_be_listed_is_named(tree, monkeypatch):
    scandir = os.scandir

    def broken(place):
        if str(place).endswith("deep"):
            raise OSError(5, "Input/output error")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(BadInput, match=r"sub/deep: this folder cannot be listed \(Input/output error\)"):
        files_below(str(tree))


def test_what_is_no_file_is_refused_by_name(tree):
    os.mkfifo(tree / "x.parquet")
    for find in (lambda: files_below(str(tree)), lambda: files_like(str(tree), "x*")):
        with pytest.raises(BadInput, match=r"x\.parquet: is a named pipe; name parquet files only, or remove it"):
            find()
    with pytest.raises(BadInput, match="is a named pipe"):
        open_regular(tree / "x.parquet")
    with pytest.raises(BadInput, match="/dev/zero: is a device"):
        open_regular("/dev/zero")
    (tree / "x.parquet").unlink()
    (tree / "x.parquet").symlink_to("nowhere")
    with pytest.raises(BadInput, match=r"x\.parquet: is a link to 'nowhere', which is not there"):
        files_below(str(tree))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00002.parquet", "train"),
        ("data/test-00000-of-00001-ab12.parquet", "test"),
        ("validation/0000.parquet", "validation"),
        ("en/dev/0.parquet", "validation"),
        ("split=eval/0.parquet", "test"),
        ("split=fold%201/train.parquet", "train"),
        ("split=fold%201/0.parquet", "fold 1"),
        ("train/test-0.parquet", "test"),
        ("mnist_Training.parquet", "train"),
        ("class=train/0.parquet", None),
        ("trainer/latest.parquet", None),
        ("train_test/0.parquet", None),
        ("part-0.parquet", None),
    ],
)
def test_the_split_that_a_name_tells(name, split):
    assert split_of(name) == split


def test_one_split_is_judged_and_several_are_refused():
    names = ["dev/0.parquet", "extra.parquet", "train-0.parquet", "train-1.parquet"]
    with pytest.raises(
        BadInput, match=r"validation \(1 file\), no split \(1 file\), train \(2 files\).*--split NAME.*--split all"
    ):
        choose_split(names, None, "in")
    assert choose_split(names, "val", "in")[0] == ["dev/0.parquet"]
    assert choose_split(names, "all", "in") == (names, [])
    chosen, notes = choose_split(names, "train", "in")
    assert chosen == names[2:]
    assert notes == ["in: split train: 2 files are taken, 2 are left out"]
    assert choose_split(names[1:], None, "in") == (names[1:], [])
    with pytest.raises(BadInput, match="no file's name tells split 'test'; found are: validation"):
        choose_split(names, "test", "in")
