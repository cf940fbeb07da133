"""How fast text becomes masked batches, beside Hugging Face's collator and keras_hub: one thread each."""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import side_by_side

from keras_mlm import command_line


def text_to_batches(
    *,
    json: str | None = None,
    text: list[str] | None = None,
    vocabulary_size: int = 8000,
    length: int = 128,
    batch_size: int = 64,
    batches: int = 300,
    rounds: int = 5,
) -> None:
    """Compare tokenizer, packer and mask generator with others on batches of strings.

    All get the same batches of documents, one a row, with one vocabulary trained on them: this package and keras_hub's
    BertMaskedLMPreprocessor in a tf.data pipeline, Hugging Face's fast tokenizer and DataCollatorForLanguageModeling,
    which makes NumPy arrays, in a loop; it needs transformers (the extra test-slow). Rounds alternate; the ratio is the
    median over rounds. Tokens are counted as they stand in our rows.

    Args:
        json: File to write the rows to.
        text: Files and folders of text; by default the docstrings of the installed Python.
        vocabulary_size: Tokens of the vocabulary.
        length: Tokens a row.
        batch_size: Rows a batch.
        batches: Batches a round.
        rounds: How often each side runs.
    """
    side_by_side.one_thread()
    import keras_hub
    import tensorflow as tf

    from keras_mlm.errors import InputError
    from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
    from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker
    from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    rows = batch_size * batches
    # About what fills a row; what both sides would cut off again is left out.
    texts = [document.text[: 5 * length] for document in itertools.islice(side_by_side.documents(text), rows)]
    if len(texts) < rows:
        raise InputError(f"the text has {len(texts)} documents, too few for {rows} rows: pass a smaller --batches")
    vocabulary = learn_vocabulary(texts, vocabulary_size, exact=False).vocabulary
    slots = -(-length * 15 // 100)

    tokenizer = WordPieceTokenizer(vocabulary)
    pack = SegmentPacker(length, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    mask = MaskedLMMaskGenerator(
        len(vocabulary), 0.15, tokenizer.mask_token_id, slots, unselectable_token_ids=tokenizer.special_token_ids
    )
    hub = keras_hub.models.BertMaskedLMPreprocessor(
        keras_hub.models.BertTokenizer(vocabulary, lowercase=True),
        sequence_length=length, mask_selection_rate=0.15, mask_selection_length=slots,
    )  # fmt: skip

    def ours(index: Any, strings: Any) -> dict[str, Any]:
        packed = pack(tokenizer.tokenize(strings))
        return {**packed, **mask({**packed, "example_index": index})}

    def theirs(index: Any, strings: Any) -> Any:
        return hub(strings)

    inputs = tf.data.Dataset.from_tensor_slices((tf.range(rows), texts)).batch(batch_size).cache()
    tokens = sum(int(tf.reduce_sum(tf.cast(batch["padding_mask"], tf.int32))) for batch in inputs.map(ours))
    passes = {
        "Hugging Face": collator_pass(vocabulary, texts, length, batch_size),
        "keras_hub": side_by_side.whole_pass(inputs.map(theirs)),
        "keras_mlm": side_by_side.whole_pass(inputs.map(ours)),
    }
    side_by_side.publish(
        side_by_side.alternate(passes, rounds),
        shape=f"batch {batch_size} x {length}, {slots} masks, vocabulary {len(vocabulary)}",
        tokens=tokens,
        megabytes=sum(len(string.encode()) for string in texts) / 1e6,
        json_file=json,
    )


def collator_pass(vocabulary: list[str], texts: list[str], length: int, batch_size: int) -> Callable[[], int]:
    """Return a function that makes the batches with Hugging Face's fast tokenizer and its collator."""
    from transformers import BertTokenizerFast, DataCollatorForLanguageModeling

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        tokenizer = BertTokenizerFast.from_pretrained(folder)
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, return_tensors="np")

    def make() -> int:
        batches = 0
        for begin in range(0, len(texts), batch_size):
            encoded = tokenizer(
                texts[begin : begin + batch_size], truncation=True, max_length=length, padding="max_length",
                return_special_tokens_mask=True,
            )  # fmt: skip
            rows = [{name: values[row] for name, values in encoded.items()} for row in range(batch_size)]
            batches += bool(len(collate(rows)["input_ids"]))
        return batches

    return make


if __name__ == "__main__":
    command_line.run(text_to_batches)
