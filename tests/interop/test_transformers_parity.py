"""The same numbers as transformers on PyTorch, in both directions."""

import random
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from checkpoints import VOCABULARY, rows
from peers import CONFIG, assert_same_gradients, run, theirs, torch, transformers, write

from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face
from keras_mlm.interop.hugging_face_tokenizer import write_tokenizer
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

pytestmark = pytest.mark.slow

HEADS = ["BertModel", "BertForMaskedLM", "BertForPreTraining"]
AUTO = {
    "BertModel": "AutoModel",
    "BertForMaskedLM": "AutoModelForMaskedLM",
    "BertForPreTraining": "AutoModelForPreTraining",
}


def assert_same(ours, model, batch):
    here = {**ours.backbone(batch), **ours(batch)}
    with torch.no_grad():
        there = run(model, batch)
    inside = batch["padding_mask"]
    pairs = [(here["sequence_output"].numpy()[inside], there.hidden_states[-1].numpy()[inside])]
    name = type(model).__name__
    if name == "BertModel":
        pairs.append((here["pooled_output"], there.pooler_output))
    if name == "BertForMaskedLM":
        pairs.append((here["masked_lm"].numpy()[inside], there.logits.numpy()[inside]))
    if name == "BertForPreTraining":
        pairs.append((here["masked_lm"].numpy()[inside], there.prediction_logits.numpy()[inside]))
        pairs.append((here["next_sentence"], there.seq_relationship_logits))
    for mine, other in pairs:
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", HEADS)
@pytest.mark.parametrize(
    ("size", "changes"),
    [
        ("tiny", {}),
        ("wide", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "type_vocab_size": 3}),
        ("tiny", {"tie_word_embeddings": False}),
    ],
)
def test_in_and_out_again(tmp_path, architecture, size, changes):
    model, batch = theirs(architecture, size, **changes), rows(CONFIG, length=37)
    ours = load_hugging_face(write(model, tmp_path / "in"))
    assert ours.config.tie_word_embeddings == (changes.get("tie_word_embeddings", True) or architecture == "BertModel")
    assert_same(ours, model, batch)
    save_hugging_face(ours, str(tmp_path / "out"), architecture=architecture)
    loader = getattr(transformers, AUTO[architecture])
    again, report = loader.from_pretrained(str(tmp_path / "out"), output_loading_info=True)
    assert not any(report.values()), report
    assert type(again).__name__ == architecture
    assert_same(ours, again.eval(), batch)
    for name, tensor in model.state_dict().items():
        if name == "cls.predictions.bias" and not ours.config.tie_word_embeddings:
            continue  # theirs has another bias beside it then, and never uses this one
        assert torch.equal(again.state_dict()[name], tensor), name


def test_loss_and_gradients_of_a_training_step(tmp_path):
    model = theirs("BertForPreTraining", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
    ours, batch = load_hugging_face(write(model, tmp_path / "in")), rows(CONFIG, length=37)
    generator = np.random.default_rng(3)
    masked = batch["padding_mask"] & (generator.random(batch["token_ids"].shape) < 0.3)
    masked[:, 0] = True
    words = generator.integers(0, len(VOCABULARY), masked.shape)
    follows = np.array([0, 1, 1, 0])
    labels = {
        "labels": torch.tensor(np.where(masked, words, -100)),
        "next_sentence_label": torch.tensor(follows),
    }
    loss = run(model, batch, **labels).loss
    loss.backward()
    with tf.GradientTape() as tape:
        targets = {"masked_lm": words, "next_sentence": follows}
        weights = {"masked_lm": masked.astype("float32"), "next_sentence": np.ones(4, "float32")}
        own = ours.compute_loss(batch, targets, ours(batch, training=True), weights)
    assert float(own) == pytest.approx(float(loss.detach()), abs=1e-5)
    assert_same_gradients(ours, model, tape, own)


@pytest.mark.parametrize("shards", [1, 2])
def test_the_command_that_converts_a_pickle_does(tmp_path, shards):
    model, folder = theirs("BertForPreTraining"), tmp_path / "in"
    ours = load_hugging_face(write(model, folder))
    (folder / "model.safetensors").unlink()
    state = list(model.state_dict().items())
    for index in range(shards):
        name = "pytorch_model.bin" if shards == 1 else f"pytorch_model-0000{index + 1}-of-00002.bin"
        torch.save(dict(state[index::shards]), folder / name)
    torch.save({"a": 1}, folder / "training_args.bin")
    with pytest.raises(InputError, match="a pickle") as refused:
        load_hugging_face(str(folder))
    code = re.search('python -c "(.*)"', str(refused.value))[1]
    subprocess.run([sys.executable, "-c", code], check=True)
    for here, there in zip(load_hugging_face(str(folder)).weights, ours.weights, strict=True):
        np.testing.assert_array_equal(here, there)


# === Tokens ===


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, None), (False, None), (True, False)])
def test_tokens(tmp_path, nasty_strings, generated_strings, lowercase, strip_accents):
    report = learn_vocabulary(
        nasty_strings, 3000, exact=False, normalization="bert", lowercase=lowercase, min_frequency=1
    )
    made = WordPieceTokenizer(report.vocabulary, normalization="bert", lowercase=lowercase, strip_accents=strip_accents)
    folder = tmp_path / "in"
    model = theirs("BertForMaskedLM", vocab_size=made.vocabulary_size)
    model.save_pretrained(folder)
    write_tokenizer(made, str(folder), max_length=40)
    ours = load_hugging_face(str(folder))
    save_hugging_face(ours, str(tmp_path / "out"))
    for place in (folder, tmp_path / "out"):
        # A literal [SEP] in a text is a word like others, here and there.
        other = transformers.AutoTokenizer.from_pretrained(str(place), split_special_tokens=True)
        assert type(other).__name__ == "BertTokenizer"
        for texts, share in ((nasty_strings, 1.0), (generated_strings, 0.999)):
            here = ours.tokenizer.tokenize(texts).to_list()
            there = other(texts, add_special_tokens=False)["input_ids"]
            same = sum(mine == their for mine, their in zip(here, there, strict=True))
            assert same >= share * len(texts), [
                text for text, mine, their in zip(texts, here, there, strict=True) if mine != their
            ][:10]
        assert other.mask_token_id == ours.tokenizer.mask_token_id


def test_a_chinese_text_is_cut_as_theirs(tmp_path):
    characters = [chr(code) for code in range(0x4E00, 0x4E00 + 500)]
    vocabulary = [*VOCABULARY, *(character for character in characters if character not in VOCABULARY)]
    made = WordPieceTokenizer(vocabulary, normalization="bert")
    save = theirs("BertForMaskedLM", vocab_size=len(vocabulary))
    save.save_pretrained(tmp_path / "in")
    write_tokenizer(made, str(tmp_path / "in"), max_length=40)
    ours = load_hugging_face(str(tmp_path / "in"))
    other = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "in"))
    draw = random.Random(4)
    texts = ["".join(draw.choices([*characters, "a", "Z", "，", "。", " ", "1"], k=30)) for _ in range(200)]
    assert ours.tokenizer.tokenize(texts).to_list() == other(texts, add_special_tokens=False)["input_ids"]
