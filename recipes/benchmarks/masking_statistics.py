"""What every masking strategy does to real text: counted over 100,000 tokens and held against its promise."""

import itertools
import re
from typing import Any

from keras_mlm import command_line

# What each strategy is made of, and between what the heavy words or tokens are to be selected times as often: a little
# less than their weight, as a row cannot select what it has selected already.
STRATEGIES: dict[str, dict[str, Any]] = {
    "token": {"masking": "token"},
    "whole_word": {"masking": "whole_word"},
    "span": {"masking": "span"},
    "content words twice as often": {"masking": "whole_word", "content_word_weight": 2.0},
    "hard tokens four times as often": {"masking": "token"},
}
TIMES = {"content words twice as often": (1.6, 2.05), "hard tokens four times as often": (2.9, 4.05)}
# Sentences that are segmented once more, and the signs of which no piece of a word may consist.
SEGMENTED = 2000
CHINESE = "\u3400-\u4dbf\u4e00-\u9fff"


def masking_statistics(
    *,
    data: str,
    tokens: int = 100_000,
    length: int = 128,
    rate: float = 0.15,
    seed: int = 0,
) -> list[list[Any]]:
    """Mask a prepared corpus in every way, print what was counted, and end with an error where a promise is broken.

    Of each strategy: the share of the tokens that is selected; of those the shares of [MASK], of random tokens and of
    kept ones; how many words are selected in part; how many special tokens are selected or put in; how many rows have
    more than their budget; for spans chi-square of their lengths against the geometric distribution that ends at ten;
    for weights how many times as often the heavy ones are selected. Of a corpus of --annotator rjieba also whether its
    words are those of rjieba, and whether any token is ## and a Chinese character.

    Args:
        data: Folder that prepare_corpus wrote.
        tokens: Tokens to mask at least.
        length: Tokens a row.
        rate: Share of the tokens to select.
        seed: Of order and masks.

    Returns:
        The rows of the table.
    """
    import numpy as np

    from keras_mlm.data.manifest import VOCABULARY_FILE, Manifest
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.data.token_weights import TokenWeights
    from keras_mlm.errors import RunError
    from keras_mlm.text_table import text_table
    from keras_mlm.tokenizers.vocabulary_file import read_vocabulary

    manifest = Manifest.load(data)
    vocabulary = read_vocabulary(f"{data}/{VOCABULARY_FILE}")
    rows: list[list[Any]] = []
    broken: list[str] = []
    for name, options in STRATEGIES.items():
        weights = None
        if "content_word_weight" in options and not manifest.pos_tags:
            rows.append([name, *["no parts of speech"], *[None] * 8])
            continue
        if name.startswith("hard"):
            # Every other token type, as if the model found those hard.
            weights = TokenWeights(len(vocabulary))
            weights.begin_again(np.where(np.arange(len(vocabulary)) % 2, 1.0, 0.25).astype(np.float32))
        dataset = PretrainingDataset(
            data, length=length, batch_size=64, mask_selection_rate=rate, next_sentence=False, packed=True, seed=seed,
            token_weights=weights, **options,
        )  # fmt: skip
        counted = count(dataset, manifest, vocabulary, tokens, rate, heavy_types=weights is not None)
        rows.append([name, *counted.values()])
        broken += [f"{name}: {problem}" for problem in problems(counted, rate, TIMES.get(name))]
    header = ["strategy", "tokens", "share", "[MASK]", "random", "kept", "words cut", "special", "over budget", "times"]
    print(text_table(header, rows))
    lengths, chi_square = span_lengths(data, vocabulary, tokens, length, seed)
    print(f"spans of 1 to 10 words: {', '.join(f'{share:.1%}' for share in lengths / lengths.sum())}")
    print(f"chi-square of {lengths.sum():,} spans against the geometric distribution: {chi_square:.1f}, 9 degrees")
    if chi_square > 27.9:
        broken.append("the lengths of spans are not geometric: less than one in a thousand is so far away")
    pieces = [token for token in vocabulary if re.match(f"##.*[{CHINESE}]", token)]
    print(f"tokens that are ## and a Chinese character: {len(pieces)}")
    broken += [f"the vocabulary has {pieces[0]}"] if pieces else []
    if str(manifest.settings.get("annotator")).startswith("rjieba"):
        same, sentences = segmented_alike(data, manifest, vocabulary)
        print(f"sentences whose words are those of rjieba: {same:,} of {sentences:,}")
        broken += ["the words are not those of rjieba"] if same < 0.98 * sentences else []
    if broken:
        raise RunError("; ".join(broken))
    return rows


def count(
    dataset: Any, manifest: Any, vocabulary: list[str], tokens: int, rate: float, *, heavy_types: bool
) -> dict[str, Any]:
    """Return what was counted in the first batches of a dataset, by the titles of the table."""
    import numpy as np

    from keras_mlm.layers.preprocessing.part_of_speech_weights import part_of_speech_weights
    from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

    special = [vocabulary.index(token) for token in SPECIAL_TOKENS]
    mask = vocabulary.index("[MASK]")
    seen = selected = masked = kept = cut = wrong = over = 0
    heavy = np.zeros((2, 2), int)  # light and heavy ones: how many there were, and how many were selected
    content = None
    if manifest.pos_tags:
        content = np.asarray(part_of_speech_weights(range(len(manifest.pos_tags) + 1), ["", *manifest.pos_tags])) > 1
    for batch in dataset.keyed_batches().as_numpy_iterator():
        ids, found, new, old = unmasked(batch)
        candidates = batch["padding_mask"] & ~np.isin(ids, special)
        here = batch["padding_mask"].sum(axis=1)
        seen, selected = seen + int(here.sum()), selected + len(old)
        masked, kept = masked + int((new == mask).sum()), kept + int((new == old).sum())
        wrong += int((found & ~candidates).sum() + np.isin(new[new != mask], special).sum())
        over += int((found.sum(axis=1) > np.maximum(np.rint(rate * here), 1)).sum())
        if "word_starts" in batch:
            words = np.cumsum(batch["word_starts"].reshape(-1))
            size, taken = (np.bincount(words, part.reshape(-1)) for part in (candidates, found))
            cut += int(((taken > 0) & (taken < size)).sum())
        of_kind = None
        if heavy_types:
            of_kind = ids % 2
        elif "pos_ids" in batch and content is not None:
            of_kind = content[batch["pos_ids"]].astype(int)
        if of_kind is not None:
            for kind in (0, 1):
                heavy[kind] += [(candidates & (of_kind == kind)).sum(), (found & (of_kind == kind)).sum()]
        if seen >= tokens:
            break
    random = selected - masked - kept
    chances = heavy[:, 1] / np.maximum(heavy[:, 0], 1)
    return {
        "tokens": f"{seen:,}", "share": round(selected / seen, 4), "[MASK]": round(masked / selected, 4),
        "random": round(random / selected, 4), "kept": round(kept / selected, 4), "words cut": cut, "special": wrong,
        "over budget": over, "times": round(float(chances[1] / chances[0]), 2) if heavy[0, 1] else None,
    }  # fmt: skip


def unmasked(batch: dict[str, Any]) -> tuple[Any, ...]:
    """Return the ids as they were, which of them are selected, and of these the new ids and the old."""
    import numpy as np

    ids, found = batch["token_ids"].copy(), np.zeros(batch["token_ids"].shape, bool)
    row, slot = np.nonzero(batch["mask_weights"] > 0)
    place = batch["mask_positions"][row, slot]
    new, old = ids[row, place], batch["mask_ids"][row, slot]
    ids[row, place], found[row, place] = old, True
    return ids, found, new, old


def problems(counted: dict[str, Any], rate: float, times: tuple[float, float] | None) -> list[str]:
    """Return which promises what was counted breaks; bands are four deviations of 15,000 draws or wider."""
    bands = {"share": (rate - 0.004, rate + 0.002), "[MASK]": (0.785, 0.815), "random": (0.09, 0.11),
             "kept": (0.09, 0.11), "words cut": (0, 0), "special": (0, 0), "over budget": (0, 0)}  # fmt: skip
    if times is not None:
        bands["times"] = times
    return [f"{name} is {counted[name]}" for name, (low, high) in bands.items() if not low <= counted[name] <= high]


def span_lengths(data: str, vocabulary: list[str], tokens: int, length: int, seed: int) -> tuple[Any, float]:
    """Return how many spans of each length the rows of a corpus are cut into, and chi-square.

    Counted are the spans that begin ten words or more before the end of a run of words that can be selected: nothing
    but their draw ends them. They are drawn by the same keys as in training.
    """
    import numpy as np

    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.layers.preprocessing import random_bits
    from keras_mlm.layers.preprocessing.mask_selection import find_words
    from keras_mlm.layers.preprocessing.masked_lm_mask_generator import LENGTH_COUNTERS
    from keras_mlm.layers.preprocessing.word_spans import LONGEST_SPAN, SPAN_LENGTH_SHARES, word_spans
    from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

    special = [vocabulary.index(token) for token in SPECIAL_TOKENS]
    dataset = PretrainingDataset(data, length=length, masking="span", next_sentence=False, seed=seed)
    counts, seen = np.zeros(LONGEST_SPAN + 1, int), 0
    for batch in dataset.keyed_batches().as_numpy_iterator():
        candidates = batch["padding_mask"] & ~np.isin(unmasked(batch)[0], special)
        sizes = find_words(candidates, batch["word_starts"]).sizes
        keys = random_bits.row_keys(random_bits.MASKS, seed, batch["epoch"][:, None], batch["example_index"][:, None])
        spans = word_spans(random_bits.random_bits(keys, np.arange(length) + LENGTH_COUNTERS), sizes).numpy()
        for row, there in zip(spans, sizes.numpy() > 0, strict=True):
            edges = np.flatnonzero(np.diff(there, prepend=False, append=False))
            for begin, end in edges.reshape(-1, 2):
                begins = begin + np.flatnonzero(np.diff(row[begin:end], prepend=-1))
                sizes_here = np.diff(begins, append=end)
                counts += np.bincount(sizes_here[begins <= end - LONGEST_SPAN], minlength=LONGEST_SPAN + 1)
        seen += int(batch["padding_mask"].sum())
        if seen >= tokens:
            break
    wanted = SPAN_LENGTH_SHARES * counts.sum()
    return counts[1:], float(((counts[1:] - wanted) ** 2 / wanted).sum())


def segmented_alike(data: str, manifest: Any, vocabulary: list[str]) -> tuple[int, int]:
    """Return how many sentences of Chinese characters alone have the words of rjieba, and how many there are."""
    import numpy as np
    import rjieba

    from keras_mlm.data.token_record import read_records

    only, same, sentences = re.compile(f"[{CHINESE}，。、；：？！,.;:?!]{{6,}}"), 0, 0
    for record in read_records(manifest.shard_paths(data, "training")[0], manifest.token_dtype):
        bounds = [*np.flatnonzero(record.sentence_starts), len(record.token_ids)]
        for begin, end in itertools.pairwise(bounds):
            characters = [vocabulary[token_id] for token_id in record.token_ids[begin:end]]
            if not only.fullmatch("".join(characters)) or any(len(character) > 1 for character in characters):
                continue
            words = np.split(characters, np.flatnonzero(record.word_starts[begin + 1 : end]) + 1)
            same += ["".join(word) for word in words] == list(rjieba.cut("".join(characters)))
            sentences += 1
        if sentences >= SEGMENTED:
            break
    return same, sentences


if __name__ == "__main__":
    command_line.run(masking_statistics)
