"""A WordPiece vocabulary out of text: our words and alphabet, the pair merging of the `tokenizers` library."""

from collections import Counter
from collections.abc import Iterable, Iterator

from keras_mlm.errors import InputError
from keras_mlm.tokenizers.count_words import count_words
from keras_mlm.tokenizers.exact_word_piece import MAX_CHARACTERS_PER_WORD
from keras_mlm.tokenizers.normalization import Normalization
from keras_mlm.tokenizers.vocabulary_file import MAX_TOKEN_BYTES, SPECIAL_TOKENS
from keras_mlm.tokenizers.vocabulary_report import VocabularyReport

# Characters may take half of the vocabulary; beyond that the rarest go, as long as this share of the text stays.
ALPHABET_SHARE = 0.5
ALPHABET_COVERAGE = 0.9995


def learn_vocabulary(
    texts: Iterable[str],
    size: int,
    *,
    exact: bool = True,
    normalization: Normalization = "fast",
    lowercase: bool = True,
    strip_accents: bool | None = None,
    min_frequency: int = 2,
) -> VocabularyReport:
    """Learn a WordPiece vocabulary of exactly the size asked for, the same one each time.

    The text is normalised and split as `WordPieceTokenizer` will do it with the same arguments, so no token is spent
    on what the tokenizer never produces. Every character that occurs often enough becomes a token, and also its `##`
    form where it occurs inside a word (ideographs and punctuation never do). Where that would take more than half of
    the vocabulary, as with Chinese, the rarest characters are left to [UNK] as far as 99.95 % of the text stays
    spelled. Texts are read once and only the counts of their distinct words are kept.

    Args:
        texts: iterable of str, of any length each.
        size: int, the number of tokens, [PAD] [UNK] [CLS] [SEP] [MASK] included.
        exact: bool, whether fewer tokens than asked for are refused. Defaults to `True`.
        normalization: `"fast"` or `"bert"`, see `WordPieceTokenizer`. Defaults to `"fast"`.
        lowercase: bool. Defaults to `True`.
        strip_accents: bool, or `None` for the value of `lowercase`. Defaults to `None`.
        min_frequency: int, how often a character or a pair must occur to become a token. Defaults to 2.

    Returns:
        `VocabularyReport`.

    Raises:
        InputError: there is no text, or it gives too few tokens, or the size is too small for its alphabet.

    Example:
        ```python
        report = learn_vocabulary(["low lower lowest", "new newer newest"], 24)
        tokenizer = WordPieceTokenizer(report.vocabulary)
        ```

    References:
        * [Schuster and Nakajima, 2012](https://research.google.com/pubs/archive/37842.pdf)
    """
    if isinstance(texts, str):
        raise InputError("texts must be several strings, such as the documents of read_documents, not one string")
    words = count_words(texts, normalization=normalization, lowercase=lowercase, strip_accents=strip_accents)
    return learn_from_words(words, size, exact=exact, min_frequency=min_frequency)


def learn_from_words(words: Counter[str], size: int, *, exact: bool = True, min_frequency: int = 2) -> VocabularyReport:
    """Learn a vocabulary, as `learn_vocabulary` does, from words that `count_words` counted, here or elsewhere.

    Args:
        words: Counter of normalised words.
        size: int, the number of tokens.
        exact: bool, whether fewer tokens than asked for are refused. Defaults to `True`.
        min_frequency: int, how often a character or a pair must occur to become a token. Defaults to 2.

    Returns:
        `VocabularyReport`.

    Raises:
        InputError: there is no word, or they give too few tokens, or the size is too small for their alphabet.
    """
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    if not characters:
        raise InputError("there is no word in the text; a vocabulary needs some")

    inner = {character for word in words for character in word[1:]}
    alphabet = _choose_alphabet(characters, inner, size, min_frequency)
    usable = {
        word: n for word, n in words.items() if len(word) <= MAX_CHARACTERS_PER_WORD and alphabet.issuperset(word)
    }
    inner = {character for word in usable for character in word[1:]}
    basis = [*SPECIAL_TOKENS, *sorted(alphabet), *("##" + character for character in sorted(inner))]
    if len(basis) > size:
        raise InputError(
            f"a vocabulary of {size:,} is too small for this text: its {len(alphabet):,} characters, their ## forms "
            f"and the special tokens take {len(basis):,}; ask for at least that"
        )
    # A longer word is spelled in pieces: no token may be above the kernel's limit.
    # One of a single character, as all are in Chinese, has nothing to merge and is in the basis already.
    mergeable = {word: n for word, n in usable.items() if len(word) > 1 and len(word.encode()) <= MAX_TOKEN_BYTES}
    vocabulary = _merge(mergeable, basis, size, min_frequency)
    if exact and len(vocabulary) < size:
        raise InputError(
            f"the text gives only {len(vocabulary):,} tokens where {size:,} were asked for; "
            "ask for at most that, or give more text"
        )
    return VocabularyReport(
        vocabulary=vocabulary,
        asked=size,
        found=len(vocabulary),
        alphabet=len(alphabet),
        coverage=sum(characters[character] for character in alphabet) / characters.total(),
        unknown_rate=1 - sum(usable.values()) / sum(words.values()),
    )


def _choose_alphabet(characters: Counter[str], inner: set[str], size: int, min_frequency: int) -> set[str]:
    """The characters that become tokens: all frequent enough ones, or fewer where they crowd the vocabulary."""
    alphabet = {character for character, count in characters.items() if count >= min_frequency}
    taken = len(alphabet) + len(alphabet & inner)
    spare = characters.total() * (1 - ALPHABET_COVERAGE) - sum(characters[c] for c in characters.keys() - alphabet)
    for character in sorted(alphabet, key=lambda c: (characters[c], c)):
        spare -= characters[character]
        if taken <= size * ALPHABET_SHARE or spare < 0:
            break
        alphabet.remove(character)
        taken -= 1 + (character in inner)
    return alphabet


def _merge(words: dict[str, int], basis: list[str], size: int, min_frequency: int) -> list[str]:
    """The basis, and the most frequent pairs merged again and again until there are `size` tokens or none is left."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # The trainer numbers what it meets in an order that differs from run to run, and breaks ties by number. What it
    # is given as special tokens is numbered first and in order.
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=min_frequency, special_tokens=basis, show_progress=False
    )
    tokenizer.train_from_iterator(_repeated(words), trainer)
    tokens = tokenizer.get_vocab()
    return sorted(tokens, key=tokens.__getitem__)


def _repeated(words: dict[str, int]) -> Iterator[list[str]]:
    """Lines in which each word occurs as often as it was counted: the trainer takes text only."""
    lines: list[str] = []
    for word in sorted(words):
        left = words[word]
        while left > 0:
            lines.append(" ".join([word] * min(left, 1000)))
            left -= 1000
        if len(lines) >= 10_000:
            yield lines
            lines = []
    yield lines
