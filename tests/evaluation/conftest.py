"""A tiny prepared corpus, written with the library's own record writer, and a model of its vocabulary."""

import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.data.manifest import Manifest, Split
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.token_record import TokenRecord
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

WORDS = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ".", ",", "中", "##s", "12"]


def document(index, sentences=6):
    """A record of random sentences of 3 to 12 tokens that end in a full stop."""
    rng = np.random.default_rng(index)
    lengths = rng.integers(3, 13, sentences)
    token_ids = rng.integers(5, len(VOCABULARY), lengths.sum()).astype("int32")
    token_ids[np.cumsum(lengths) - 1] = VOCABULARY.index(".")
    sentence_starts = np.zeros(len(token_ids), bool)
    sentence_starts[np.cumsum(lengths) - lengths] = True
    token_ids[sentence_starts] = 5 + index % 26
    return TokenRecord(index, token_ids, token_ids != VOCABULARY.index("##s"), sentence_starts)


@pytest.fixture(scope="session")
def tokenizer():
    return WordPieceTokenizer(VOCABULARY)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, tokenizer):
    folder = str(tmp_path_factory.mktemp("corpus"))
    tokenizer.save(folder)
    splits = {}
    for split, indices in {"training": range(40), "validation": range(40, 70)}.items():
        records = [document(index) for index in indices]
        with ShardWriter(folder, split, "uint16", shard_bytes=4000) as writer:
            for record in records:
                writer.write(record)
        sentences = sum(int(record.sentence_starts.sum()) for record in records)
        tokens = sum(len(record.token_ids) for record in records)
        splits[split] = Split(documents=len(records), sentences=sentences, tokens=tokens, shards=writer.shards)
    manifest = Manifest("uint16", len(VOCABULARY), tokenizer.vocabulary_hash, "fast", {}, splits, {})
    manifest.save(folder)
    return folder


@pytest.fixture(scope="session")
def model(tokenizer):
    keras.utils.set_random_seed(7)
    config = BertConfig(
        vocabulary_size=len(VOCABULARY), num_layers=1, num_heads=2, hidden_dim=16, intermediate_dim=32,
        max_sequence_length=32, initializer_range=0.3,
    )  # fmt: skip
    return BertPretrainer(config, tokenizer=tokenizer)
