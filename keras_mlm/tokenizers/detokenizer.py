"""From token ids back to readable text."""

import unicodedata
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_mlm.tokenizers.vocabulary_file import continues_word

# What leans on the word before it, or on the word behind it; a straight quote or hyphen may do either or both.
LEANS_BACK = frozenset(".,;:!?%)]}’”»…。，、；：！？）】》」』")
LEANS_FORWARD = frozenset("([{‘“«¿¡（【《「『")
LEANS_BOTH = frozenset("'-/、，。；：！？（）《》「」『』【】")


class Detokenizer:
    """Joins pieces into words and sets spaces between words, but none around ideographs or before a comma.

    Args:
        vocabulary: sequence of str in the order of their ids.
        pad_token_id: int, the token that is left out.
    """

    def __init__(self, vocabulary: Sequence[str], pad_token_id: int) -> None:
        self._pad_token_id = pad_token_id
        continues = [continues_word(token) for token in vocabulary]
        self._pieces = np.array(
            [
                token[2:].encode() if joins else token.encode()
                for token, joins in zip(vocabulary, continues, strict=True)
            ],
            dtype=object,
        )
        unspaced = np.array([_is_unspaced(token) for token in vocabulary])
        both = np.array([token in LEANS_BOTH for token in vocabulary])
        self._leans_back = both | np.array(continues) | np.array([token in LEANS_BACK for token in vocabulary])
        self._leans_forward = both | np.array([token in LEANS_FORWARD for token in vocabulary])
        self._unspaced = unspaced

    def detokenize(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        """The strings `(batch,)` of ragged token ids `(batch, tokens)`; [PAD] is dropped."""
        token_ids = tf.ragged.boolean_mask(token_ids, token_ids != self._pad_token_id)
        return tf.strings.reduce_join(self.pieces(token_ids), axis=1)

    def pieces(self, token_ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """The strings `(batch, tokens)` of all tokens, with the space before them where there is one."""
        ids, row = token_ids.values, token_ids.value_rowids()
        unspaced = tf.gather(tf.constant(self._unspaced), ids)
        close = tf.gather(tf.constant(self._leans_back), ids)[1:]
        close |= tf.gather(tf.constant(self._leans_forward), ids)[:-1]
        close |= unspaced[1:] & unspaced[:-1]
        close |= row[1:] != row[:-1]
        close = tf.concat([tf.ones_like(unspaced[:1]), close], axis=0)
        pieces = tf.gather(tf.constant(self._pieces), ids)
        return token_ids.with_values(tf.strings.join([tf.where(close, "", " "), pieces]))


def _is_unspaced(token: str) -> bool:
    """Whether the token is of a script that sets no spaces: one ideograph, or kana."""
    return all(unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA")) for character in token)
