"""The same numbers as transformers on PyTorch, in both directions."""

import dataclasses
import random

import numpy as np
import pytest
import tensorflow as tf
from checkpoints import VOCABULARY, rows
from keras import ops

from keras_mlm.interop.bert_tensors import slots
from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face
from keras_mlm.interop.hugging_face_tokenizer import write_tokenizer
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch", reason="needs the extra test-slow")
transformers = pytest.importorskip("transformers", reason="needs the extra test-slow")

SIZES = {"tiny": (2, 128, 2), "wide": (3, 96, 4)}
HEADS = ["BertModel", "BertForMaskedLM", "BertForPreTraining"]
AUTO = {
    "BertModel": "AutoModel",
    "BertForMaskedLM": "AutoModelForMaskedLM",
    "BertForPreTraining": "AutoModelForPreTraining",
}
CONFIG = {"vocab_size": len(VOCABULARY)}


def theirs(architecture: str, size: str = "tiny", **changes):
    """A BERT of theirs with random weights, all of them: norms and biases too."""
    layers, hidden, heads = SIZES[size]
    sizes = {
        "vocab_size": len(VOCABULARY),
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 40,
    }
    torch.manual_seed(7)
    model = getattr(transformers, architecture)(transformers.BertConfig(**{**sizes, **changes})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def write(model, folder) -> str:
    model.save_pretrained(folder)
    write_tokenizer(WordPieceTokenizer(VOCABULARY, normalization="bert"), str(folder), max_length=40)
    return str(folder)


def run(model, batch, **labels):
    inputs = {
        "input_ids": torch.tensor(batch["token_ids"], dtype=torch.long),
        "token_type_ids": torch.tensor(batch["segment_ids"], dtype=torch.long),
        "attention_mask": torch.tensor(batch["padding_mask"], dtype=torch.long),
    }
    return model(**inputs, output_hidden_states=True, **labels)


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


@pytest.mark.parametrize("architecture", ["BertForSequenceClassification", "BertForTokenClassification"])
def test_the_encoder_of_a_classifier(tmp_path, architecture):
    model, batch = theirs(architecture), rows(CONFIG, length=37)
    ours = load_hugging_face(write(model, tmp_path / "in"), strict=False)
    assert_same(ours, model, batch)


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
    variables = ours.trainable_variables
    gradients = dict(zip((v.path for v in variables), tape.gradient(own, [v.value for v in variables]), strict=True))
    checked = 0
    for slot in slots(ours):
        gradient = ops.convert_to_tensor(tf.convert_to_tensor(gradients[slot.variable.path]))
        here = dataclasses.replace(slot, variable=gradient).value()
        there = model.get_parameter(slot.name).grad.numpy()
        np.testing.assert_allclose(here, there, rtol=0, atol=1e-4, err_msg=slot.name)
        checked += 1
    assert checked == len(list(model.parameters()))


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
