import http.server
import json
import os
import subprocess
import sys
import threading
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


class Hub(http.server.BaseHTTPRequestHandler):
    """The three answers of a hub that a download needs, for one repository."""

    folder: Path
    asked: list[str]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.asked.append(path)
        files = sorted(entry.name for entry in self.folder.iterdir())
        if path == "/api/models/someone/bert/revision/main":
            answer = {"id": "someone/bert", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            self.reply(json.dumps(answer).encode(), {"Content-Type": "application/json"})
        elif path.startswith("/api/models/someone/bert/tree/"):
            tree = [
                {"type": "file", "path": name, "size": (self.folder / name).stat().st_size, "oid": f"{index:040d}"}
                for index, name in enumerate(files)
            ]
            self.reply(json.dumps(tree).encode(), {"Content-Type": "application/json"})
        elif path.startswith(f"/someone/bert/resolve/{COMMIT}/") and path.rpartition("/")[2] in files:
            name = path.rpartition("/")[2]
            etag = f'"{files.index(name):040d}"'
            self.reply((self.folder / name).read_bytes(), {"ETag": etag, "X-Repo-Commit": COMMIT})
        else:
            self.reply(b"", {"X-Error-Code": "RepoNotFound"}, status=404)

    def reply(self, body: bytes, headers: dict[str, str], status: int = 200):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def fetched(name: str, **environment: str) -> subprocess.CompletedProcess:
    """What a new process, whose environment huggingface_hub reads when it is imported, makes of a name."""
    code = f"from keras_mlm.interop.hub import local_folder; print(local_folder({name!r}))"
    plain = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={**plain, **environment}, capture_output=True, text=True, timeout=60)


def test_a_name_is_fetched_from_the_endpoint_once_and_no_pickle_with_it(pretraining_folder, tmp_path):
    folder, _ = pretraining_folder
    weights = load_hugging_face(folder).get_weights()
    (Path(folder) / "pytorch_model.bin").write_bytes(b"a pickle")
    (Path(folder) / "modeling_bert.py").write_text("raise SystemExit")
    asked: list[str] = []
    handler = type("Served", (Hub,), {"folder": Path(folder), "asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    try:
        path = fetched("someone/bert", **settings).stdout.strip()
        unknown = fetched("someone/else", **settings)
    finally:
        server.shutdown()
        server.server_close()
    assert Path(path).is_relative_to(tmp_path / "home")
    for here, there in zip(load_hugging_face(path).get_weights(), weights, strict=True):
        assert (here == there).all()
    assert any(name.endswith("/model.safetensors") for name in asked)
    assert not any(name.endswith((".bin", ".py")) for name in asked)
    assert "no such repository on the hub" in unknown.stderr
    # The server is gone: only the cache is left.
    assert fetched("someone/bert", **settings, HF_HUB_OFFLINE="1").stdout.strip() == path
    assert "HF_HUB_OFFLINE" in fetched("someone/else", **settings, HF_HUB_OFFLINE="1").stderr
