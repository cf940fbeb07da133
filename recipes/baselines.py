"""Older systems and BERT beside each other on the same labels: arguments ▶ library calls ▶ a table."""

import time
from pathlib import Path
from typing import Any

from keras_mlm import command_line

# Those that come out the same with every seed.
DETERMINISTIC = ("majority", "naive bayes", "linear svm", "mean of word vectors")


def baselines(
    *,
    train: str,
    results: str,
    dev: str | None = None,
    test: str | None = None,
    test_percent: int = 0,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    unlabelled: list[str] | None = None,
    vectors: str | None = None,
    models: list[str] | None = None,
    length: int = 128,
    seeds: int = 1,
    only: list[str] | None = None,
) -> dict[str, Any]:
    """Measure the most frequent class, naive Bayes, a linear SVM, word vectors, a CNN, a BiLSTM and BERTs.

    All learn from train, choose their one number or epoch on dev and are judged on test. Finished cells are kept, so
    that the same command goes on where it was stopped, and with more --seeds or --models adds what is missing.

    Args:
        train: Labelled examples, .tsv, .csv or .jsonl, also .gz or .xz.
        results: JSON file of the finished cells; made if absent.
        dev: Examples to choose by; by default a tenth of train, by a hash of the text.
        test: Examples to be measured on; by default those of dev.
        test_percent: Or so many percent of train, by the same hash.
        text: Column of the text, by number from 1 or by name; by default 2, in JSONL "text".
        label: Column of the label; by default 1, in JSONL "label".
        pair: Column of the second text of a pair.
        unlabelled: Text files or folders to learn word vectors from; they are kept beside the results.
        vectors: Or word vectors in the text format of GloVe or word2vec. Without either, the systems on word vectors
            begin with random ones, and their mean is left out.
        models: Model folders: each is fine-tuned, and the first also from random weights.
        length: Tokens a row of the BERTs.
        seeds: How many times to train what depends on chance.
        only: Names of the systems to measure; by default all.

    Returns:
        The figures by system and seed.
    """
    import numpy as np

    from keras_mlm.baselines import linear_models
    from keras_mlm.baselines.bert_models import BertModel
    from keras_mlm.baselines.cells import Cells
    from keras_mlm.baselines.neural_models import NeuralModel
    from keras_mlm.baselines.word_vectors import WordVectors
    from keras_mlm.data import labelled_sets
    from keras_mlm.data.documents import describe_paths
    from keras_mlm.errors import InputError
    from keras_mlm.evaluation.classifier_report import classifier_scores
    from keras_mlm.model_folder import read_model_config

    if unlabelled and vectors:
        raise InputError("give either --unlabelled text or --vectors, not both")
    columns = {"text": text, "label": label, "pair": pair}
    sets, classes = labelled_sets.read_labelled_sets(train, dev=dev, test=test, test_percent=test_percent, **columns)
    judged = sets.get("test", sets["dev"])
    numbers = {name: number for number, name in enumerate(classes)}
    data = {
        name: ([example.text for example in examples], np.array([numbers[str(example.label)] for example in examples]))
        for name, examples in {**sets, "judged": judged}.items()
    }

    word_vectors: list[WordVectors] = []

    def vectors_of() -> WordVectors | None:
        """Load or learn them when they are first needed."""
        kept = vectors or f"{results}.vectors.txt"
        if not word_vectors and unlabelled and not Path(kept).exists():
            word_vectors.append(WordVectors.train(unlabelled))
            word_vectors[0].save(kept)
        elif not word_vectors and (unlabelled or vectors):
            word_vectors.append(WordVectors.load(kept))
        return word_vectors[0] if word_vectors else None

    systems: dict[str, Any] = {
        "majority": linear_models.majority,
        "naive bayes": linear_models.naive_bayes,
        "linear svm": linear_models.linear_svm,
        "mean of word vectors": lambda: linear_models.averaged_vectors(vectors_of()),
        "cnn": lambda: NeuralModel("cnn", vectors_of()),
        "bilstm": lambda: NeuralModel("bilstm", vectors_of()),
    }
    if not (unlabelled or vectors):
        del systems["mean of word vectors"]
    for folder in models or []:
        name = f"bert {Path(folder).name}"
        read_model_config(folder)
        if name in systems:
            raise InputError(f"two models are called {Path(folder).name}: name their folders differently")
        systems.setdefault("bert from random weights", lambda folder=folder: BertModel(folder, classes, length, True))
        systems[name] = lambda folder=folder: BertModel(folder, classes, length)
    unknown = sorted(set(only or []) - set(systems))
    if unknown:
        raise InputError(f"no system {', '.join(unknown)}; there are {', '.join(systems)}")

    def measure(name: str, seed: int) -> dict[str, float]:
        system = systems[name]()
        started = time.perf_counter()
        system.fit(data["train"], data["dev"], seed)
        trained = time.perf_counter()
        answers = system.predict(data["judged"][0])
        answered = time.perf_counter()
        scores = classifier_scores(data["judged"][1], np.eye(len(classes))[answers])
        return {
            **scores,
            "train seconds": round(trained - started, 2),
            "ms a text": round(1000 * (answered - trained) / len(answers), 4),
            "MB": round(system.megabytes, 2),
        }

    settings = {
        "examples": {name: labelled_sets.digest(examples) for name, examples in sets.items()},
        "vectors": vectors or (describe_paths(unlabelled) if unlabelled else None),
        "length": length,
    }
    cells = Cells(results, settings)
    chosen = [name for name in systems if not only or name in only]
    wanted = [(name, seed) for seed in range(seeds) for name in chosen if seed == 0 or name not in DETERMINISTIC]
    cells.run(wanted, measure)
    if judged is sets["dev"]:
        print("judged on dev, which also chose epochs and numbers: give --test or --test-percent")
    print(f"{len(classes)} classes, " + ", ".join(f"{len(examples):,} {name}" for name, examples in sets.items()))
    print(cells.table(list(systems)))
    return cells.cells


if __name__ == "__main__":
    command_line.run(baselines)
