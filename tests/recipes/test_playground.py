"""The page behind its server: what is served, asked over HTTP as a browser asks; no browser runs here."""

import re
import shutil
import socket
import sys
import types
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from recipe_runs import recipe, run_recipe, save_small_model

from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

VOCABULARY = [*SPECIAL_TOKENS, "paris", "is", "the", "capital", "of", "france", ".", "<", ">", "script"]
TEXT = "Paris is the [MASK] of France ."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("models") / "small", VOCABULARY)


def test_a_port_in_use_is_said_and_a_free_one_named(folder, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run_recipe("playground", "--model", folder, "--port", str(port)) == 2
    said = capsys.readouterr().err
    free = int(re.search(rf"port {port} of 127.0.0.1 is in use: try --port (\d+)", said)[1])
    with socket.socket() as other:
        other.bind(("127.0.0.1", free))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "0"], "between 1 and 65535"),
        (["--host", "203.0.113.1"], "nothing can listen at --host 203.0.113.1"),
        (["--host", "no such host"], "nothing can listen"),
        (["--model", "a", "b", "c"], "one model folder or two"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments, words, capsys):
    arguments = arguments if "--model" in arguments else ["--model", "a", *arguments]
    assert run_recipe("playground", *arguments) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1


def test_without_gradio_the_extra_is_named(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run_recipe("playground", "--model", folder, "--port", str(port)) == 2
    assert "pip install 'keras-mlm[playground]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("tokenizer.json", "no complete model folder: tokenizer.json is missing"),
        ("config.json", "its training was not finished: the command that began it goes on with it"),
    ],
)
def test_a_model_without_tokenizer_and_an_interrupted_run_are_said(
    folder, tmp_path, capsys, monkeypatch, missing, words
):
    monkeypatch.setitem(sys.modules, "gradio", types.ModuleType("gradio"))  # the models are read before it is used
    half = Path(shutil.copytree(folder, tmp_path / "half"))
    (half / "run").mkdir()
    (half / "run/run.json").write_text("{}")
    (half / missing).unlink()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run_recipe("playground", "--model", half, "--port", str(port)) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1


@pytest.fixture(scope="module")
def page(folder):
    """The address of a page with two models, served."""
    pytest.importorskip("gradio", reason="Gradio is not installed: the page was not served")
    from keras_mlm.playground.loaded_model import LoadedModel
    from keras_mlm.playground.page import build_page, launch_page

    loaded = LoadedModel.load(str(folder))
    blocks = build_page([loaded, loaded._replace(name="<script>alert(1)</script>")])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield launch_page(blocks, "127.0.0.1", port, wait=False)
    blocks.close()


def fetched(address):
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read().decode("utf-8", "replace")


# What a browser loads by itself: scripts, styles, pictures and fonts of a page; parts that a script imports.
IN_PAGES = re.compile(r"""\b(?:src|href)\s*=\s*["']([^"']+)|url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
IN_SCRIPTS = re.compile(r"""(?:import|from)\s*\(?\s*["']([^"']+)["']|["'](\./[\w./-]+\.(?:js|css))["']""")


@pytest.mark.slow
def test_nothing_that_the_page_loads_comes_from_elsewhere(page):
    base = page.rstrip("/")
    seen, waiting = set(), [f"{base}/", f"{base}/theme.css"]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        try:
            text = fetched(address)
        except urllib.error.HTTPError:
            assert address.endswith(".js"), address  # a name in a script that it never asks for in this way
            continue
        found = (IN_SCRIPTS if address.endswith(".js") else IN_PAGES).findall(text)
        for target in (next(filter(None, groups)) for groups in found):
            joined = urllib.parse.urljoin(address, target)
            if target.startswith(("data:", "#")) or (address.endswith(".js") and not target.startswith((".", "http"))):
                continue
            assert joined.startswith(base), f"{address} loads {target}"
            if re.search(r"\.(js|css)$", joined):
                waiting.append(joined)
    assert len(seen) > 30, "scripts, styles, and the parts that they import"


@pytest.mark.slow
def test_the_names_of_models_are_no_markup(page):
    text = fetched(page)
    assert "alert(1)" in text
    assert "<script>alert" not in text


@pytest.mark.slow
def test_files_of_the_machine_are_not_served(page, folder):
    for path in ("/etc/passwd", f"{folder}/config.json"):
        for prefix in ("gradio_api/file=", "file="):
            with pytest.raises(urllib.error.HTTPError) as refused:
                fetched(f"{page.rstrip('/')}/{prefix}{path}")
            assert refused.value.code in (403, 404)


@pytest.mark.slow
def test_the_page_answers_as_the_functions_do(page, folder):
    import gradio_client

    from keras_mlm.model_folder import load_model
    from keras_mlm.playground.elements import answered
    from keras_mlm.playground.mask_answer import mask_answer

    client = gradio_client.Client(page, verbose=False, download_files=False)
    expected = answered(mask_answer, load_model(str(folder)), TEXT, 8)
    answers = client.predict(TEXT, [], 8, api_name="/fill_masks")
    assert list(answers) == [expected, expected], "both models, side by side"
    words = client.predict("Paris is <script>", api_name="/words")
    assert words["choices"] == [["Paris", "0-5"], ["is", "6-8"], ["<", "9-10"], ["script", "10-16"], [">", "16-17"]]
    for name, arguments in {
        "/tokens": ("<script> 😀",),
        "/masking": (TEXT, 3, 0.15),
        "/attention": (TEXT, "0", "all", "lines"),
        "/follows": (TEXT, "<script>"),
    }.items():
        for answer in client.predict(*arguments, api_name=name):
            assert answer.startswith('<div class="mlm">') and "<script" not in answer


def test_addresses_that_others_reach_are_told_apart():
    module = recipe("playground").__globals__
    assert [module["is_loopback"](host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.1.2.3")] == [
        True, True, True, False, False,
    ]  # fmt: skip
