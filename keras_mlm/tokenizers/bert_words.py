"""The words of a text as Google's and Hugging Face's BERT tokenizers see them, in operations of the graph."""

import tensorflow as tf
import tensorflow_text as tf_text

SPACE = r"[\t\n\r\p{Z}]"
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{Cf}\p{Co}\x{fffd}]"
# Punctuation is Unicode's and all that is neither letter nor digit in ASCII; ideographs are BERT's own blocks.
ALONE = (
    r"[\p{P}!-/:-@\[-`{-~"
    r"\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2b73f}\x{2b740}-\x{2b81f}\x{2b920}-\x{2ceaf}"
    r"\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}]"
)


class BertWords:
    """Cleans, folds and splits strings character by character, and remembers where each character came from.

    Every step of BERT's normalisation looks at one character alone. So the distinct characters of a batch, a few
    hundred, are normalised once, and the texts are put together from those: no regular expression runs over the
    texts, and the way back to the original characters costs nothing.

    Args:
        lowercase: bool, whether to lower the case.
        strip_accents: bool, whether to decompose the characters and drop their marks.

    References:
        * [Google's tokenization.py](https://github.com/google-research/bert/blob/master/tokenization.py)
    """

    def __init__(self, *, lowercase: bool, strip_accents: bool) -> None:
        self._lowercase = lowercase
        self._strip_accents = strip_accents

    def split(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Split texts into words.

        Args:
            texts: string tensor `(batch,)`; bytes that are no UTF-8 are dropped.

        Returns:
            The words as ragged strings `(batch, words)`, and ragged int64 `(all words, characters)`: for each
            character of each word its index in the text, counted in characters.
        """
        characters = tf.strings.unicode_decode(texts, "UTF-8")
        distinct, which = tf.unique(characters.values)
        folded = self._fold(distinct)
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

    def _fold(self, code_points: tf.Tensor) -> tf.RaggedTensor:
        """What each code point (characters,) becomes: ragged int32 `(characters, code points)`, often one, or none."""
        single = tf.strings.unicode_encode(code_points[:, tf.newaxis], "UTF-8")
        single = tf.strings.regex_replace(single, CONTROL, "")
        if self._strip_accents:
            single = tf.strings.regex_replace(tf_text.normalize_utf8(single, "NFD"), r"\p{Mn}", "")
        if self._lowercase:
            single = tf.strings.lower(single, encoding="utf-8")
        return tf.strings.unicode_decode(single, "UTF-8")
