"""The words of a text as Google's and Hugging Face's BERT tokenizers see them, in operations of the graph."""

import tensorflow as tf
import tensorflow_text as tf_text

from keras_mlm.tokenizers.bert_characters import (
    CONTROLS,
    IDEOGRAPHS,
    MARKS,
    PUNCTUATION,
    WIDE_SPACES,
    character_class,
)

WIDE_SPACE = character_class(WIDE_SPACES)
SPACE = r"[\t\n\r ]|" + WIDE_SPACE
CONTROL = character_class(CONTROLS)
CONTROL_OR_MARK = character_class(CONTROLS, MARKS)
ALONE = character_class(PUNCTUATION, IDEOGRAPHS)
# `tf.strings.lower` makes another letter of a sigma at the end of a word, and in a Turkish locale of any I.
CAPITALS = (("Σ", "σ"), ("I", "i"), ("İ", "i̇"))


class BertWords:
    """Cleans, folds and splits strings into the words that WordPiece then looks up, in two ways with one result.

    `split` runs a few regular expressions over whole texts. `split_with_places` normalises each distinct character of
    the batch once and puts the texts together from those: half as fast, but it knows where each character came from.
    They agree because every step of BERT's normalisation looks at one character alone.

    Args:
        lowercase: bool, whether to lower the case.
        strip_accents: bool, whether to decompose the characters and drop their marks.

    References:
        * [Google's tokenization.py](https://github.com/google-research/bert/blob/master/tokenization.py)
    """

    def __init__(self, *, lowercase: bool, strip_accents: bool) -> None:
        self._lowercase = lowercase
        self._strip_accents = strip_accents

    def split(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The words, ragged strings `(batch, words)`, of strings `(batch,)`; bytes that are no UTF-8 are dropped."""
        texts = self._fold(tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace"))
        texts = tf.strings.regex_replace(texts, ALONE, r" \0 ")
        return tf.strings.split(tf.strings.regex_replace(texts, WIDE_SPACE, " "))

    def split_with_places(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """The words and where their characters stood.

        Args:
            texts: string tensor `(batch,)`; bytes that are no UTF-8 are dropped.

        Returns:
            The words as ragged strings `(batch, words)`, and ragged int64 `(all words, characters)`: for each
            character of each word its index in the text, counted in characters.
        """
        characters = tf.strings.unicode_decode(texts, "UTF-8")
        distinct, which = tf.unique(characters.values)
        folded = tf.strings.unicode_encode(distinct[:, tf.newaxis], "UTF-8")
        folded = tf.strings.unicode_decode(self._fold(folded), "UTF-8")
        single = tf.strings.unicode_encode(folded.values[:, tf.newaxis], "UTF-8")
        is_space = tf.strings.regex_full_match(single, SPACE)
        is_alone = tf.strings.regex_full_match(single, ALONE)

        # One entry for each character after folding: `form` says which, `source` from which original character.
        forms = tf.gather(folded.with_values(tf.range(tf.size(folded.values))), which)
        form, source = forms.values, forms.value_rowids()
        text = tf.gather(characters.value_rowids(), source)
        alone = tf.gather(is_alone, form)
        space = tf.gather(is_space, form)
        joinable = ~(alone | space)
        joined = joinable[1:] & joinable[:-1] & tf.equal(text[1:], text[:-1])
        starts_word = tf.concat([tf.ones_like(space[:1]), ~joined], axis=0)

        kept = tf.where(~space)[:, 0]
        first = tf.where(tf.gather(starts_word, kept))[:, 0]
        splits = tf.concat([first, [tf.size(kept, tf.int64)]], axis=0)
        code_points = tf.gather(tf.gather(folded.values, form), kept)
        words = tf.strings.unicode_encode(tf.RaggedTensor.from_row_splits(code_points, splits, validate=False), "UTF-8")
        source = tf.gather(source, kept)
        places = source - tf.gather(tf.gather(characters.row_starts(), characters.value_rowids()), source)
        of_text = tf.gather(tf.gather(text, kept), first)
        return (
            tf.RaggedTensor.from_value_rowids(words, of_text, characters.nrows(), validate=False),
            tf.RaggedTensor.from_row_splits(places, splits, validate=False),
        )

    def _fold(self, texts: tf.Tensor) -> tf.Tensor:
        if self._strip_accents:
            texts = tf_text.normalize_utf8(texts, "NFD")
        texts = tf.strings.regex_replace(texts, CONTROL_OR_MARK if self._strip_accents else CONTROL, "")
        if self._lowercase:
            for capital, small in CAPITALS:
                texts = tf.strings.regex_replace(texts, capital, small)
            texts = tf.strings.lower(texts, encoding="utf-8")
        return texts
