"""How much of a classification is in a frozen encoder: logistic regression on the mean of its sequence_output."""

import json
from pathlib import Path
from typing import Any

from keras_mlm import command_line

# The share of the labelled texts that judges; their order is shuffled with a fixed seed, so all models see the same.
HELD_OUT, SEED = 0.2, 0


def frozen_probe(
    models: list[str],
    *,
    labelled: str,
    results: str | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Probe several models on the same labelled texts and print a table; scikit-learn does the classification.

    Args:
        models: Model folders.
        labelled: File with a label, a tab and a text in each line.
        results: JSON file for the rows; by default none.
        limit: Use the first so many shuffled lines only.

    Returns:
        The rows.
    """
    import keras
    import numpy as np

    from keras_mlm.model_folder import load_model
    from keras_mlm.text_table import text_table

    lines = Path(labelled).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t", 1) for line in lines if "\t" in line]
    order = shuffled(len(pairs), limit)
    labels = np.array([pairs[index][0] for index in order])
    texts = [pairs[index][1] for index in order]
    judged = max(1, round(HELD_OUT * len(texts)))
    rows = []
    for folder in models:
        model = load_model(folder)
        means = model.embed(texts)
        rows.append(
            {
                "model": Path(folder).name,
                "accuracy": accuracy_of(means[judged:], labels[judged:], means[:judged], labels[:judged]),
                "texts": len(texts) - judged,
                "judged": judged,
                "classes": len(set(labels)),
                "parameters": model.count_params(),
            }
        )
        keras.backend.clear_session()
        print(f"{rows[-1]['model']}: {rows[-1]['accuracy']:.1%}", flush=True)
    print(text_table(list(rows[0]), [list(row.values()) for row in rows]))
    if results is not None:
        Path(results).write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def shuffled(count: int, limit: int | None) -> Any:
    """Return the order of examples that all models see, or its beginning."""
    import numpy as np

    return np.random.default_rng(SEED).permutation(count)[:limit]


def probe_of(vectors: Any, labels: Any) -> Any:
    """Return a logistic regression that has learned these labels of vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, C=0.1)).fit(vectors, labels)


def accuracy_of(vectors: Any, labels: Any, judged_vectors: Any, judged_labels: Any) -> float:
    """Return how much of other examples a probe of these tells right."""
    return round(float(probe_of(vectors, labels).score(judged_vectors, judged_labels)), 4)


if __name__ == "__main__":
    command_line.run(frozen_probe)
