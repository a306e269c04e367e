"""Addresses: an S3 server of our own on loopback, and fsspec's memory file system."""

import json

import fsspec
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.data.shards import find_shards
from sanitize.errors import BadInput, BadParams
from sanitize.io.remote import is_remote
from tests import small
from tests.voters import scored, vector_voters


@pytest.fixture(scope="module")
def voters(tmp_path_factory):
    return vector_voters(tmp_path_factory.mktemp("voters"))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """A bucket with `small.vector_file` in two objects; its file system."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("NO_PROXY", "127.0.0.1"),
    ):
        patch.setenv(name, value)
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    store.mkdir("rows")
    folder = tmp_path_factory.mktemp("rows")
    whole = pq.read_table(small.vector_file(folder / "whole.parquet"))
    for name, part in (("a.parquet", whole.slice(0, 50)), ("deep/b.parquet", whole.slice(50))):
        pq.write_table(part, folder / "part")
        store.put_file(str(folder / "part"), f"rows/in/{name}")
    yield store
    server.stop()
    patch.undo()


def rows(store, place):
    with store.open(place, "rb") as file:
        return pq.read_table(file)


def test_from_a_bucket_to_a_bucket(bucket, voters):
    summary = scored("s3://rows/in", Bucket("s3://rows/out"), voters)
    assert (summary.rows, summary.files, summary.rejected) == (120, 2, 4)
    for name in ("a.parquet", "deep/b.parquet"):
        given, kept, rejected = (rows(bucket, f"rows/{side}/{name}") for side in ("in", "out/kept", "out/rejected"))
        assert sorted(kept["id"].to_pylist() + rejected["id"].to_pylist()) == sorted(given["id"].to_pylist())
        assert json.loads(kept.schema.metadata[b"sanitize"])["input_sha256"] == summary.input_sha256
        assert kept.schema.names == given.schema.names
    manifest = rows(bucket, "rows/out/manifest")
    wrong = [row for row, keep in enumerate(manifest["keep"].to_pylist()) if not keep]
    assert wrong == small.WRONG
    with pytest.raises(BadInput, match=r"s3://rows/out/[a-z]+ is there already; an address is never replaced"):
        scored("s3://rows/in", Bucket("s3://rows/out"), voters)


class Bucket(str):
    """An address that names what lies below it as a Path does."""

    def __truediv__(self, name):
        return f"{self}/{name}"


def test_patterns_and_single_objects_in_a_bucket(bucket, voters, tmp_path):
    assert [shard.name for shard in find_shards("s3://rows/in/**/*.parquet").shards] == ["a.parquet", "deep/b.parquet"]
    source = find_shards("s3://rows/in/a.parquet")
    assert (source.single, source.rows) == (True, 50)
    done = CliRunner().invoke(
        app, ["filter", "s3://rows/in/a.parquet", str(tmp_path / "kept"), "--voters", str(voters), "--engine", "inline"]
    )
    assert done.exit_code == 0
    assert pq.read_metadata(tmp_path / "kept").num_rows == 48  # of 7, 30, 55 and 100 two are among the first fifty


def test_what_is_not_in_the_bucket(bucket):
    with pytest.raises(BadInput, match=r"no such file; check the address"):
        find_shards("s3://rows/nowhere")
    with pytest.raises(BadInput, match=r"s3://nobody/in: (no such|cannot be read)|no such file; check the address"):
        find_shards("s3://nobody/in")


def test_an_upload_that_fails_takes_back_what_it_sent(bucket, voters, monkeypatch):
    store, _ = fsspec.url_to_fs("s3://rows")
    put = store.put_file

    def full(local, place, **more):
        if place.endswith("manifest"):
            raise OSError("no space left")
        return put(local, place, **more)

    monkeypatch.setattr(store, "put_file", full)
    with pytest.raises(BadInput, match=r"s3://rows/never/manifest: cannot be written .no space left"):
        scored("s3://rows/in", Bucket("s3://rows/never"), voters)
    bucket.invalidate_cache()
    assert bucket.find("rows/never") == []


def test_the_input_is_never_overwritten(bucket, voters):
    with pytest.raises(BadParams, match=r"is the input; name another place"):
        scored("s3://rows/in/a.parquet", Same("s3://rows/in/a.parquet"), voters)


class Same(Bucket):
    """Names itself, whatever is asked for below it."""

    def __truediv__(self, name):
        return str(self)


def test_memory_and_unknown_protocols(voters, tmp_path):
    store = fsspec.filesystem("memory")
    store.put_file(str(small.vector_file(tmp_path / "in.parquet")), "/rows/in.parquet")
    assert scored("memory://rows/in.parquet", tmp_path, voters).rejected == 4
    with pytest.raises(BadParams, match=r"nosuch://a: Protocol not known: nosuch"):
        find_shards("nosuch://a")


@pytest.mark.parametrize(
    ("address", "remote"),
    [("s3://a/b", True), ("simplecache::s3://a", True), ("file:///a", False), ("a/b", False), ("C:\\a", False)],
)
def test_what_is_an_address(address, remote):
    assert is_remote(address) == remote
