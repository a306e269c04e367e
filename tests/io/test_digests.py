"""What params.yaml names: digests that change with the content, and with nothing else."""

import hashlib
import os
import sys

import pytest

from sanitize.io.digests import digests, placed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def of(path, key="train"):
    return digests({"data": {"source": "parquet", key: path}})[0].get(f"data.{key}")


def test_the_digest_is_of_the_bytes(folder):
    (folder / "a").write_bytes(b"rows")
    found = of("a")
    assert found == {"sha256": hashlib.sha256(b"rows").hexdigest(), "bytes": 4}
    os.utime("a", (1, 1))
    assert of(str(folder / "a")) == found == of("./a", "test") == of("../" + folder.name + "/a")
    os.symlink("a", "link")
    assert of("link") == found
    (folder / "a").write_bytes(b"Rows")
    os.utime("a", (1, 1))  # the same size and time
    assert of("a") != found


def test_two_files_that_change_places_are_seen(folder):
    for name in "ab":
        (folder / name).write_text(name)
    given = {"data": {"train": "a", "test": "b"}}
    before = digests(given)
    os.rename("a", "c"), os.rename("b", "a"), os.rename("c", "b")
    assert digests(given) != before


def test_a_folder_is_its_names_and_contents(folder):
    os.makedirs("f/deep")
    (folder / "f/deep/x").write_text("1")
    before = of("f", "folder")
    (folder / "f/deep/x").rename(folder / "f/deep/y")
    assert of("f", "folder") != before
    (folder / "f/deep/y").rename(folder / "f/deep/x")
    assert of("f", "folder") == before
    (folder / "f/z").write_text("")
    assert of("f", "folder") != before


def test_linked_folders_are_followed_once(folder):
    (folder / "store/set").mkdir(parents=True)
    (folder / "store/set/x").write_text("1")
    (folder / "f").mkdir(exist_ok=True)
    (folder / "f/set").symlink_to("../store/set")
    (folder / "store/set/back").symlink_to("../../f")
    before = of("f", "folder")
    assert before["bytes"] == 1
    (folder / "store/set/x").write_text("2")
    assert of("f", "folder") != before


def test_what_is_no_file_is_written_down_and_not_opened(folder):
    assert of("nothing") == {"none": "no such file"}
    os.mkfifo("pipe")
    assert of("pipe") == {"none": "is a named pipe"}
    os.symlink("gone", "dangling")
    assert of("dangling") == {"none": "is a link to 'gone', which is not there"}
    assert of("/dev/zero") == {"none": "is a device"}
    assert "none" in of("a\0b") and "none" in of("s3://bucket/train.parquet")


@pytest.mark.parametrize("params", [None, [], "x", {"data": None}, {"data": {"train": None}}, {"data": {"train": 3}}])
def test_nothing_named_nothing_found(folder, params):
    assert digests(params) == ({}, {})


def test_a_picture_of_an_attack_at_any_depth(folder):
    (folder / "p.png").write_text("x")
    attack = {"name": "several", "attacks": [{"name": "patch"}, {"name": "blend", "pattern": "p.png"}]}
    assert list(digests({"attack": attack})[0]) == ["attack.attacks.1.pattern"]


def test_in_a_copy_relative_paths_lead_to_the_project(folder, monkeypatch):
    project, copy = folder / "project", folder / "project/.dvc/tmp/exps/x"
    copy.mkdir(parents=True)
    (project / "own").write_text("1")
    monkeypatch.chdir(copy)
    data = {"source": "parquet", "train": "own", "test": "gone", "folder": None, "label": "own"}
    assert placed(data, "data") == data and of("own") == {"none": "no such file"}
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert placed(data, "data") == {**data, "train": str(project / "own")} and of("own")["bytes"] == 1
    (copy / "own").write_text("22")  # git or DVC knows it: the copy's own
    assert placed(data, "data") == data and of("own")["bytes"] == 2
    nested = {"name": "several", "attacks": [{"pattern": "../own"}, {"pattern": "noise"}]}
    assert placed(nested, "attack") == nested


def test_the_model_s_code_and_what_it_imports(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (folder / "mine.py").write_text("import json, shared.deep\nfrom lone import x\nimport sanitize\n")
    (folder / "lone.py").write_text("import mine\nimport numpy\n")
    os.makedirs("shared/deep")
    for name in ("__init__.py", "deep/__init__.py", "deep/more.py"):
        (folder / "shared" / name).write_text("")
    (folder / "other.py").write_text("")
    given = {"learner": {"name": "sklearn", "model": "mine:Model"}}
    found = digests(given)[1]
    assert sorted(found) == [
        "lone.py",
        "mine.py",
        "shared/__init__.py",
        "shared/deep/__init__.py",
        "shared/deep/more.py",
    ]
    (folder / "shared/deep/more.py").write_text("changed = True\n")
    assert digests(given)[1] != found
    (folder / "mine.py").write_text("this is no Python")
    assert list(digests(given)[1]) == ["mine.py"]
    for model in ("sklearn.naive_bayes:GaussianNB", "logistic_regression", ":", "gone:Model", None, 3):
        assert digests({"learner": {"model": model}})[1] == {}
