import dataclasses
import json

import pytest

from keras_mlm.data.manifest import Manifest, Shard, Split
from keras_mlm.errors import InputError
from keras_mlm.tokenizers.vocabulary_file import vocabulary_hash, write_vocabulary


@pytest.fixture
def manifest(tmp_path):
    shards = [Shard("training-00000.tfrecord", 5, 3, 30, [(9, 1), (10, 1), (11, 1)])]
    (tmp_path / "training-00000.tfrecord").write_bytes(b"12345")
    write_vocabulary(["a", "二"], str(tmp_path / "vocab.txt"))
    manifest = Manifest(
        token_dtype="uint16",
        vocabulary_size=2,
        vocabulary_hash=vocabulary_hash(["a", "二"]),
        normalization="fast",
        settings={"sources": [{"path": "a.txt", "bytes": 5}]},
        splits={"training": Split(3, 4, 30, shards), "validation": Split(0, 0, 0, [])},
        counts={"documents": 3},
    )
    manifest.save(str(tmp_path))
    return manifest


def edit(folder, **changes):
    data = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(data | changes))


def test_what_is_saved_is_loaded(manifest, tmp_path):
    assert Manifest.load(str(tmp_path)) == manifest
    assert "[9, 1]" in (tmp_path / "manifest.json").read_text()
    assert not list(tmp_path.glob("*.partial"))
    assert manifest.shard_paths(str(tmp_path), "training") == [str(tmp_path / "training-00000.tfrecord")]
    assert manifest.shard_paths(str(tmp_path), "validation") == []


def test_remote_folders(manifest):
    write_vocabulary(["a", "二"], "ram://corpus/vocab.txt")
    manifest.save("ram://corpus")
    assert Manifest.load("ram://corpus") == manifest


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        Manifest.load(str(tmp_path))


def test_another_vocabulary_is_refused(manifest, tmp_path):
    write_vocabulary(["a", "b"], str(tmp_path / "vocab.txt"))
    with pytest.raises(InputError, match=r"made with another vocabulary than its vocab\.txt"):
        Manifest.load(str(tmp_path))


def test_damaged_manifests(manifest, tmp_path):
    edit(tmp_path, format_version=99)
    with pytest.raises(InputError, match="format 99"):
        Manifest.load(str(tmp_path))
    manifest.save(str(tmp_path))
    edit(tmp_path, token_dtype="float16")
    with pytest.raises(InputError, match="token_dtype"):
        Manifest.load(str(tmp_path))
    for text in ("{", "[]", "{}"):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(InputError, match=r"manifest\.json is damaged"):
            Manifest.load(str(tmp_path))


@pytest.mark.parametrize("file", ["/etc/passwd", "../other.tfrecord", "a\\b"])
def test_a_manifest_cannot_point_elsewhere(manifest, tmp_path, file):
    shard = dataclasses.replace(manifest.splits["training"].shards[0], file=file)
    splits = manifest.splits | {"training": Split(3, 4, 30, [shard])}
    dataclasses.replace(manifest, splits=splits).save(str(tmp_path))
    with pytest.raises(InputError, match="outside its folder"):
        Manifest.load(str(tmp_path))


def test_missing_and_short_shards_are_named(manifest, tmp_path):
    (tmp_path / "training-00000.tfrecord").write_bytes(b"123")
    with pytest.raises(InputError, match=r"training-00000\.tfrecord is damaged"):
        manifest.shard_paths(str(tmp_path), "training")
    (tmp_path / "training-00000.tfrecord").unlink()
    with pytest.raises(InputError, match=r"training-00000\.tfrecord is missing"):
        manifest.shard_paths(str(tmp_path), "training")
