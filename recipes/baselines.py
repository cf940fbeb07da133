"""Older systems and BERT beside each other on the same labels: arguments ▶ library calls ▶ a table."""

from typing import Any, Literal

from keras_mlm import command_line


def baselines(
    *,
    train: str,
    results: str,
    task: Literal["texts", "tags"] = "texts",
    dev: str | None = None,
    test: str | None = None,
    test_percent: int = 0,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    unlabelled: list[str] | None = None,
    exclude: list[str] | None = None,
    vectors: str | None = None,
    models: list[str] | None = None,
    examples: int | None = None,
    length: int = 128,
    seeds: int = 1,
    only: list[str] | None = None,
) -> dict[str, Any]:
    """Measure the systems from before BERT, and BERTs from random and from pre-trained weights.

    For texts: the most frequent class, naive Bayes and a linear SVM on TF-IDF, the mean of word vectors, a CNN and a
    BiLSTM. For tags: the most frequent tag of each word, a hidden Markov model, a CNN and a BiLSTM. All learn from
    train, choose their one number or epoch on dev and are judged on test. Finished cells are kept, so that the same
    command goes on where it was stopped, and with more --seeds or --models adds what is missing.

    Args:
        train: Labelled examples, as recipes/finetune_classifier.py or finetune_tagger.py takes them.
        results: JSON file of the finished cells; made if absent.
        task: Whether texts, or pairs of them, have labels, or words have tags.
        dev: Examples to choose by; by default a tenth of train, by a hash of the text.
        test: Examples to be measured on; by default those of dev.
        test_percent: Or so many percent of train, by the same hash; for texts.
        text: Column of the text or the word, by number from 1 or by name.
        label: Column of the label or tag.
        pair: Column of the second text of a pair.
        unlabelled: Text files or folders to learn word vectors from; they are kept beside the results.
        exclude: Evaluation files: documents that hold one of their sentences are left out of that text.
        vectors: Or word vectors in the text format of GloVe or word2vec. Without either, networks begin with random
            ones, and the mean of word vectors is left out.
        models: Model folders: each is fine-tuned, and the first also from random weights.
        examples: Learn and choose from so many labelled examples only, which the seed draws.
        length: Tokens a row of the BERTs.
        seeds: How many times to train what depends on chance.
        only: Names of the systems to measure; by default all.

    Returns:
        The figures by system and seed.
    """
    from keras_mlm.baselines import systems
    from keras_mlm.baselines.cells import Cells
    from keras_mlm.baselines.examples import tagged_examples, text_examples
    from keras_mlm.baselines.fewer_examples import fewer_examples
    from keras_mlm.baselines.word_vectors import lazy_vectors
    from keras_mlm.data.text_files import describe_paths
    from keras_mlm.errors import InputError

    if exclude and not unlabelled:
        raise InputError("--exclude is for the text of --unlabelled")
    kept = lazy_vectors(vectors, unlabelled, f"{results}.vectors.txt", exclude or ())
    if task == "texts":
        columns = {"text": text, "label": label, "pair": pair}
        data, classes, digests = text_examples(train, dev=dev, test=test, test_percent=test_percent, **columns)
        there = systems.text_systems(classes, models or [], length, kept)
    else:
        if pair is not None or test_percent:
            raise InputError("--pair and --test-percent are for texts")
        data, classes, digests = tagged_examples(train, dev=dev, test=test, word=text, label=label)
        there = systems.tag_systems(classes, models or [], length, kept)
    unknown = sorted(set(only or []) - set(there))
    if unknown:
        raise InputError(f"no system {', '.join(unknown)}; there are {', '.join(there)}")
    origin = vectors or (describe_paths(unlabelled) if unlabelled else None)
    settings = {"task": task, "examples": digests, "vectors": origin, "length": length}
    optional = {"drawn": examples, "excluded": describe_paths(exclude) if exclude else None}
    cells = Cells(results, {**settings, **{name: value for name, value in optional.items() if value is not None}})
    chosen = [name for name in there if not only or name in only]
    drawn = [data if examples is None else fewer_examples(data, examples, seed) for seed in range(seeds)]
    cells.run(
        [
            (name, seed) for seed in range(seeds) for name in chosen
            if seed == 0 or examples is not None or name not in systems.DETERMINISTIC
        ],
        lambda name, seed: systems.measure(there[name](), drawn[seed], classes, seed),
    )  # fmt: skip
    if data["judged"] is data["dev"]:
        print("judged on dev, which also chose epochs and numbers: give --test or --test-percent")
    print(f"{len(classes)} classes, " + ", ".join(f"{len(some):,} {name}" for name, (some, _) in drawn[0].items()))
    print(cells.table(list(there)))
    return cells.cells


if __name__ == "__main__":
    command_line.run(baselines)
