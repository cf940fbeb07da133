from pathlib import Path

import pytest
from huggingface_hub import constants

from keras_mlm.errors import InputError, RunError
from keras_mlm.interop.hugging_face import load_hugging_face

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache and no network, as HF_HOME and HF_HUB_OFFLINE set them."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill_cache(cache: Path, folder: str) -> Path:
    """The layout of huggingface_hub's cache: snapshots of links to blobs."""
    repository = cache / "models--someone--bert"
    snapshot = repository / "snapshots" / COMMIT
    for path in (repository / "blobs", repository / "refs", snapshot):
        path.mkdir(parents=True)
    (repository / "refs/main").write_text(COMMIT)
    for index, path in enumerate(sorted(Path(folder).iterdir())):
        path.rename(repository / f"blobs/{index:040d}")
        (snapshot / path.name).symlink_to(f"../../blobs/{index:040d}")
    return snapshot


def test_a_name_comes_from_the_cache_of_the_hub_without_network(offline, pretraining_folder):
    folder, _ = pretraining_folder
    weights = load_hugging_face(folder).get_weights()
    snapshot = fill_cache(offline, folder)
    for name in ("someone/bert", str(snapshot)):
        for here, there in zip(load_hugging_face(name).get_weights(), weights, strict=True):
            assert (here == there).all()


def test_links_from_the_cache_to_elsewhere_are_refused(offline, pretraining_folder, tmp_path):
    snapshot = fill_cache(offline, pretraining_folder[0])
    (tmp_path / "outside").write_bytes((snapshot / "config.json").read_bytes())
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="a place outside"):
        load_hugging_face("someone/bert")


def test_what_is_not_in_the_cache_says_that_it_is_offline(offline):
    with pytest.raises(RunError, match="HF_HUB_OFFLINE"):
        load_hugging_face("someone/else")


def test_an_endpoint_that_is_not_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="someone/else"):
        load_hugging_face("someone/else")
