"""The page, the vectors, and a tokenizer written from them in another language."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from keras_mlm.export.tokenizer_page import tokenizer_page, tokenizer_vectors
from keras_mlm.export.tokenizer_strings import tokenizer_strings
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=[("fast", True), ("fast", False), ("bert", True), ("bert", False)], ids=str)
def tokenizer(request):
    """A tokenizer whose vocabulary comes from half of the texts, so that the other half has unknown words."""
    normalization, lowercase = request.param
    texts = tokenizer_strings()[1::2]
    vocabulary = learn_vocabulary(texts, 600, exact=False, normalization=normalization, lowercase=lowercase).vocabulary
    return WordPieceTokenizer(vocabulary, normalization=normalization, lowercase=lowercase)


def test_three_hundred_different_texts_of_both_languages():
    texts = tokenizer_strings()
    assert len(texts) == len(set(texts)) == 300
    assert sum(any("\u4e00" <= character <= "\u9fff" for character in text) for text in texts) >= 100


def test_the_vectors_are_the_tokenizers_own(tokenizer):
    written = json.loads(tokenizer_vectors(tokenizer))
    assert written["normalization"] == tokenizer.normalization
    assert len(written["vectors"]) == 300
    for vector in written["vectors"][::10]:
        found = tokenizer.tokenize_with_offsets([vector["text"]], mask_tokens=True)
        assert vector["token_ids"] == found.token_ids.to_list()[0]
        assert [vector["starts"], vector["ends"]] == [found.starts.to_list()[0], found.ends.to_list()[0]]
    unknown = [vector for vector in written["vectors"] if tokenizer.unk_token_id in vector["token_ids"]]
    assert len(unknown) > 10, "vectors without unknown words prove too little"


def test_the_page_names_what_this_tokenizer_does(tokenizer):
    page = tokenizer_page(tokenizer)
    assert ("NFKC_Casefold" in page) == (tokenizer.normalization == "fast" and tokenizer.lowercase)
    assert ("100 characters" in page) == (tokenizer.normalization == "bert")
    assert f"({tokenizer.mask_token_id})" in page
    assert len(page.splitlines()) < 50, "a page"


@pytest.mark.slow
def test_a_tokenizer_in_javascript_passes_every_vector(tokenizer, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: the JavaScript tokenizer was not run")
    tokenizer.save(str(tmp_path))
    (tmp_path / "tokenizer_vectors.json").write_text(tokenizer_vectors(tokenizer), encoding="utf-8")
    command = [node, str(ROOT / "recipes" / "serving" / "tokenizer.mjs"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "300 of 300" in done.stdout
