"""The list of tokens as a file and its fingerprint: what ties records, models and exports to one vocabulary."""

import hashlib
from collections.abc import Sequence

import tensorflow as tf

from keras_mlm.errors import InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# The limit of tensorflow-text's WordPiece kernel.
MAX_TOKEN_BYTES = 256


def continues_word(token: str) -> bool:
    """Whether the token is a piece that goes on a word, such as `##ing`."""
    return token.startswith("##") and len(token) > 2


def vocabulary_hash(vocabulary: Sequence[str]) -> str:
    """The SHA-256 of the tokens joined by newlines, as 64 hexadecimal digits."""
    return hashlib.sha256("\n".join(vocabulary).encode("utf-8")).hexdigest()


def read_vocabulary(path: str) -> list[str]:
    r"""The tokens of a file with one token a line, in order.

    Only `\n` (or `\r\n`) ends a line: Unicode has other line ends, and they may be tokens.

    Args:
        path: str, a path that `tf.io.gfile` can read.

    Returns:
        list of str.

    Raises:
        InputError: there is no such file, or it is not UTF-8.
    """
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            text = file.read().decode("utf-8")
    except (tf.errors.NotFoundError, tf.errors.FailedPreconditionError) as error:
        raise InputError(f"{path}: no such vocabulary file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; a vocabulary has one token a line") from error
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def check_vocabulary(vocabulary: Sequence[str], source: str = "the vocabulary") -> None:
    """Refuse a list of tokens that no BERT can work with.

    Args:
        vocabulary: sequence of str.
        source: str, what the message calls it. Defaults to `"the vocabulary"`.

    Raises:
        InputError: a special token is missing, a token is empty, too long or holds a newline, or a token occurs twice.
    """
    missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
    if missing:
        raise InputError(f"{source}: no {' '.join(missing)} among the {len(vocabulary)} tokens; a BERT needs them")
    seen: dict[str, int] = {}
    for line, token in enumerate(vocabulary, start=1):
        if not token or "\n" in token:
            raise InputError(f"{source}: token {line} is {token!r}; a token is one non-empty line")
        if len(token.removeprefix("##").encode("utf-8")) > MAX_TOKEN_BYTES:
            raise InputError(f"{source}: token {line} is longer than {MAX_TOKEN_BYTES} bytes: {token[:20]!r}…")
        if seen.setdefault(token, line) != line:
            raise InputError(f"{source}: token {token!r} occurs twice, as number {seen[token]} and {line}")


def write_vocabulary(vocabulary: Sequence[str], path: str) -> None:
    """Write one token a line, in the order of the ids."""
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(("\n".join(vocabulary) + "\n").encode("utf-8"))
