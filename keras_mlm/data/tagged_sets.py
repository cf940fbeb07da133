"""Checks that tagged sentences can be learned from, mends their tags, splits their words, and holds a share out."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from keras_mlm.data.labelled_sets import DEV_PERCENT, digest, split_by_text
from keras_mlm.data.tagged_words import TaggedWords, read_tagged_words
from keras_mlm.errors import InputError
from keras_mlm.tag_scheme import OUTSIDE, Scheme, complete_tags, first_illegal, mended, scheme_of, split_tag

logger = logging.getLogger(__name__)


def read_tagged_sets(
    train: str,
    *,
    dev: str | None = None,
    test: str | None = None,
    word: str | None = None,
    label: str | None = None,
    refuse: bool = False,
    splitter: Any = None,
) -> tuple[dict[str, list[TaggedWords]], list[str]]:
    """Return the sentences to learn from and to be measured on, and the tags.

    Args:
        train: str, a file, as `read_tagged_words` reads it.
        dev: str, another one. Defaults to `None`, a tenth of train, see `held_out_sentences`.
        test: str, another one. Defaults to `None`, no such sentences.
        word: str, column of the word.
        label: str, column of the tag.
        refuse: bool, whether tags that may not follow each other are refused, else mended. Defaults to `False`.
        splitter: `WordPieceTokenizer`, see `split_words`. Defaults to `None`, words stay as they are.

    Returns:
        Dict of `"train"`, `"dev"` and perhaps `"test"` to lists of `TaggedWords`, and the list of tags.

    Raises:
        InputError: a file or its tags cannot be learned from; the message names file and line.
    """
    sets = {}
    for name, path in (("train", train), ("dev", dev), ("test", test)):
        if path is not None:
            sets[name] = legal_tags(list(read_tagged_words(path, word=word, label=label)), refuse=refuse)
            if splitter is not None:
                sets[name] = split_words(sets[name], splitter)
    if dev is None:
        sets["train"], sets["dev"] = held_out_sentences(sets["train"])
    classes = tag_names(sets["train"])
    for sentences in sets.values():
        check_tags(sentences, classes)
    return sets, classes


def tag_names(sentences: Sequence[TaggedWords]) -> list[str]:
    """Return the tags of sentences in sorted order; where they spell spans, all tags of every type.

    It warns of tags that one word only has.

    Raises:
        InputError: all tags are equal; nearly every word has another one; or some spell spans and others do not.
    """
    counts = Counter(tag for sentence in sentences for tag in sentence.tags)
    source, total = sentences[0].source, counts.total()
    if len(counts) < 2:
        raise InputError(
            f"{source}: all {total:,} tags are {next(iter(counts))!r}: there is nothing to tell apart; is the tag in "
            "another column?"
        )
    if 2 * len(counts) > total > 10:
        raise InputError(f"{source}: {len(counts):,} different tags of {total:,} words; is the tag in another column?")
    once = sorted(tag for tag, count in counts.items() if count == 1)
    if once:
        logger.warning("%d tags stand at one word only: %s", len(once), ", ".join(once[:10]))
    scheme = scheme_of(counts)
    if scheme is not None:
        return complete_tags(counts, scheme)
    spelt = sorted(tag for tag in counts if tag[:2] in ("B-", "I-"))
    if spelt:
        others = {tag for tag in counts if tag != OUTSIDE and not split_tag(tag)[1]}
        where = _first(sentences, others)
        raise InputError(f"{where}: a tag beside {spelt[0]!r} is O or begins with B-, I-, E- or S-")
    return sorted(counts)


def check_tags(sentences: Sequence[TaggedWords], classes: Sequence[str]) -> None:
    """Raise `InputError` for tags that training does not have; the message lists them with file and line."""
    unknown = {tag for sentence in sentences for tag in sentence.tags} - set(classes)
    if unknown:
        shown = ", ".join(_first(sentences, {tag}, source=False) for tag in sorted(unknown)[:10])
        raise InputError(f"{sentences[0].source} has {len(unknown)} tags that training has not: {shown}")


def legal_tags(sentences: Sequence[TaggedWords], *, refuse: bool = False) -> list[TaggedWords]:
    """Return sentences whose tags may follow each other; how many were mended is logged.

    An I- tag after O, or after another type, becomes the B- that it stands for. Tags that spell no spans stay.

    Args:
        sentences: sequence of `TaggedWords`.
        refuse: bool, whether to stop at such a tag instead. Defaults to `False`.

    Returns:
        List of `TaggedWords`.

    Raises:
        InputError: with `refuse`, at the first such tag; the message names file and line.
    """
    scheme = scheme_of({tag for sentence in sentences for tag in sentence.tags})
    if scheme is None:
        return list(sentences)
    found, changed, example = [], 0, ""
    for sentence in sentences:
        place = first_illegal(sentence.tags, scheme)
        if place is not None:
            what = _complaint(sentence, place, scheme)
            if refuse:
                raise InputError(f"{what}: mend the file, or let it be mended with --illegal-tags repair")
            tags = mended(sentence.tags, scheme)
            changed += sum(one != other for one, other in zip(tags, sentence.tags, strict=True))
            example = example or what
            sentence = TaggedWords(sentence.source, sentence.lines, sentence.words, tags)
        found.append(sentence)
    if changed:
        logger.warning("%d tags repaired to %s, the first: %s", changed, scheme, example)
    return found


def split_words(sentences: Sequence[TaggedWords], tokenizer: Any) -> list[TaggedWords]:
    """Return sentences of the tokenizer's own words, whose tags spell which of them belong to one word of before.

    So a tagger learns to find words where nothing separates them: `中国/PROPN` becomes `中/B-PROPN 国/I-PROPN`.

    Args:
        sentences: sequence of `TaggedWords` whose tags stand for themselves.
        tokenizer: `WordPieceTokenizer`.

    Returns:
        List of `TaggedWords`.

    Raises:
        InputError: the tags spell spans already.
    """
    if scheme_of({tag for sentence in sentences for tag in sentence.tags}) is not None:
        raise InputError(f"{sentences[0].source}: the tags spell spans already, so their words cannot be split")
    split = tokenizer.words([word for sentence in sentences for word in sentence.words])
    counts, starts, ends = (values.tolist() for values in (split.word_counts, split.starts, split.ends))
    found, word, part = [], 0, 0
    for sentence in sentences:
        lines: list[int] = []
        words: list[str] = []
        tags: list[str] = []
        for line, text, tag in zip(sentence.lines, sentence.words, sentence.tags, strict=True):
            parts = [text[starts[p] : ends[p]] for p in range(part, part + counts[word])] or [text]
            words += parts
            tags += [f"B-{tag}"] + [f"I-{tag}"] * (len(parts) - 1)
            lines += [line] * len(parts)
            part, word = part + counts[word], word + 1
        found.append(TaggedWords(sentence.source, lines, words, tags))
    return found


def held_out_sentences(
    sentences: Sequence[TaggedWords], percent: int = DEV_PERCENT
) -> tuple[list[TaggedWords], list[TaggedWords]]:
    """Return sentences in two parts, by a hash of the text: equal texts fall on one side, on every machine.

    A sentence with a tag that the first part would not have stays there.

    Args:
        sentences: sequence of `TaggedWords`.
        percent: int, share of the second part. Defaults to `10`.

    Returns:
        Two lists of `TaggedWords`.

    Raises:
        InputError: there are too few sentences for one to be held out.
    """
    kept, held = split_by_text(
        sentences, lambda sentence: " ".join(sentence.words), lambda sentence: sentence.tags, percent
    )
    if not kept or not held:
        raise InputError(f"{sentences[0].source}: {len(sentences)} sentences are too few to hold some out: give --dev")
    return kept, held


def sentences_digest(sentences: Sequence[TaggedWords]) -> str:
    """Return the `digest` of sentences."""
    return digest(([sentence.words for sentence in sentences], [sentence.tags for sentence in sentences]))


def _first(sentences: Sequence[TaggedWords], tags: set[str], *, source: bool = True) -> str:
    """Return where one of some tags stands first, with file and line or as `'tag' (line 3)`."""
    for sentence in sentences:
        for line, tag in zip(sentence.lines, sentence.tags, strict=True):
            if tag in tags:
                return f"{sentence.source}, line {line}: {tag!r}" if source else f"{tag!r} (line {line})"
    return ""


def _complaint(sentence: TaggedWords, place: int, scheme: Scheme) -> str:
    tags, end = sentence.tags, place == len(sentence.tags)
    line = sentence.lines[-1] if end else sentence.lines[place]
    before = tags[place - 1] if place else "the beginning of a sentence"
    after = "the end of a sentence" if end else tags[place]
    return f"{sentence.source}, line {line}: {after} after {before} is no {scheme}"
