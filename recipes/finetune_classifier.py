"""Fine-tune a BERT to classify texts or pairs: arguments ▶ library calls ▶ model.fit ▶ what was learned."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from keras_mlm import command_line


def finetune_classifier(
    *,
    train: str,
    output: str,
    model: str | None = None,
    from_scratch: str | None = None,
    data: str | None = None,
    dev: str | None = None,
    test: str | None = None,
    predictions: str | None = None,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    length: int = 128,
    epochs: int = 20,
    patience: int = 4,
    batch_size: int = 32,
    learning_rate: float | None = None,
    dropout: float = 0.1,
    seeds: int = 1,
) -> dict[str, Any]:
    """Fine-tune a BERT to put texts, or pairs of texts, into classes; the epoch that is best on dev is kept.

    Args:
        train: Labelled examples, .tsv, .csv or .jsonl, also .gz or .xz.
        output: Model folder to write, such as saved_models/topics; of several seeds it holds the best on dev.
        model: Start from this model folder: pre-trained, or a classifier of the same classes.
        from_scratch: Or start from random weights of this size: tiny, mini, small, medium, base or large.
        data: With --from-scratch, the data folder whose vocabulary is used.
        dev: Examples that choose the epoch; by default a tenth of train, by a hash of the text.
        test: Examples to be measured on at the end.
        predictions: TSV file to write: label, predicted label and probability of each test example, else of dev.
        text: Column of the text, by number from 1 or by name; by default 2, in JSONL "text".
        label: Column of the label; by default 1, in JSONL "label".
        pair: Column of the second text of a pair.
        length: Tokens a row; longer texts are cut.
        epochs: The most epochs; the learning rate falls to 0 over them.
        patience: Epochs without a better one on dev after which training stops.
        batch_size: Examples a step.
        learning_rate: The highest rate; by default by the width of the model, 5e-4 for tiny, 3e-5 for base.
        dropout: Share dropped while fine-tuning.
        seeds: How many times to train, with seeds 0, 1, ...; figures are then means and deviations.

    Returns:
        The figures that metrics.json holds.
    """
    from keras_mlm.errors import InputError

    if (model is None) == (from_scratch is None) or (from_scratch is None) != (data is None):
        raise InputError("give either --model FOLDER, or --from-scratch PRESET with --data FOLDER for its vocabulary")
    for name, value in (("length", length - 7), ("epochs", epochs), ("batch_size", batch_size), ("seeds", seeds)):
        if value < 1:
            raise InputError(f"--{name.replace('_', '-')} is too small")

    if predictions is not None and not Path(predictions).absolute().parent.is_dir():
        raise InputError(f"--predictions {predictions}: there is no such folder")

    import keras
    import numpy as np

    try:
        from sklearn.metrics import classification_report, f1_score
    except ImportError:
        raise InputError("the report needs scikit-learn: pip install 'keras-mlm[finetune]'") from None

    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.labelled_batches import labelled_batches
    from keras_mlm.data.labelled_sets import check_labels, class_names, held_out_share
    from keras_mlm.data.labelled_texts import read_labelled_texts
    from keras_mlm.model_folder import load_model, save_model
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.models.bert_text_classifier import BertTextClassifier
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.run_folder import RunFolder
    from keras_mlm.training.training_budget import TrainingBudget

    columns = {"text": text, "label": label, "pair": pair}
    sets = {"train": list(read_labelled_texts(train, **columns))}
    if dev is None:
        sets["train"], sets["dev"] = held_out_share(sets["train"])
    for name, path in (("dev", dev), ("test", test)):
        if path is not None:
            sets[name] = list(read_labelled_texts(path, **columns))
    classes = class_names(sets["train"])
    for name in sets:
        check_labels(sets[name], classes)

    def start() -> Any:
        if from_scratch is not None:
            tokenizer = WordPieceTokenizer.load(data)
            config = BertConfig.from_preset(
                from_scratch, style="short_budget", vocabulary_size=tokenizer.vocabulary_size, dropout=dropout
            )
            return BertTextClassifier(config, classes, tokenizer, length=length)
        trained = load_model(model)
        if isinstance(trained, BertPretrainer):
            return BertTextClassifier.from_encoder(trained, classes, length=length, dropout=dropout)
        if set(getattr(trained, "classes", ())) != set(classes):
            raise InputError(f"{model} is a model of other labels: {', '.join(trained.classes[:10])}")
        again = BertTextClassifier.from_encoder(trained, trained.classes, length=length, dropout=dropout)
        again.set_weights(trained.get_weights())
        return again

    keras.utils.set_random_seed(0)
    classifier = start()
    rate = learning_rate or 3e-5 * (768 / classifier.config.hidden_dim) ** 1.6
    finetuning = {"model": model, "from_scratch": from_scratch, "length": length, "epochs": epochs,
                  "patience": patience, "batch_size": batch_size, "learning_rate": rate, "dropout": dropout,
                  "seeds": seeds}  # fmt: skip
    run = RunFolder(output)
    # What was learned from, so that a changed file is no finished run.
    content = {name: [(example.text, example.label) for example in examples] for name, examples in sets.items()}
    digests = {name: hashlib.sha256(repr(pairs).encode()).hexdigest() for name, pairs in content.items()}
    settings = {"finetuning": finetuning, "examples": digests}
    done = run.find(settings)
    if done is not None:
        print(f"{output} is finished; choose another --output to train with other settings")
        print(done)
        return done

    rows = {name: classifier.encode([example.text for example in examples]) for name, examples in sets.items()}
    cut = sum(len(row["token_ids"]) == length for row in rows["train"])
    print(f"{classifier.count_params():,} parameters, {len(classes)} classes, "
          + ", ".join(f"{len(examples):,} {name}" for name, examples in sets.items())
          + f"; {cut:,} training rows are full, longer texts are cut")  # fmt: skip
    truth = {name: classifier.class_numbers([example.label for example in sets[name]]) for name in sets}
    steps = epochs * -(-len(rows["train"]) // batch_size)
    figures: list[dict[str, float]] = []
    best: Any = None
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        classifier = start() if seed else classifier
        classifier.compile(optimizer_from(PretrainingConfig(steps=steps, learning_rate=rate)))
        stop = keras.callbacks.EarlyStopping(
            "val_accuracy", mode="max", patience=patience, restore_best_weights=True, start_from_epoch=0
        )
        classifier.fit(
            labelled_batches(rows["train"], truth["train"], batch_size=batch_size, seed=seed),
            validation_data=labelled_batches(rows["dev"], truth["dev"], batch_size=batch_size, shuffle=False),
            epochs=epochs,
            shuffle=False,  # the batches have their own order
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[TrainingBudget(steps=steps, learning_rate=rate), stop],
        )
        found: dict[str, float] = {"epochs": float(stop.best_epoch + 1)}
        for name in set(sets) - {"train"}:
            answers = np.stack(classifier.logits(rows[name])).argmax(axis=1)
            found[f"{name}_accuracy"] = float((answers == truth[name]).mean())
            found[f"{name}_macro_f1"] = float(f1_score(truth[name], answers, average="macro", zero_division=0.0))
        if best is None or found["dev_accuracy"] > max(figure["dev_accuracy"] for figure in figures):
            best = classifier
        figures.append(found)

    metrics: dict[str, Any] = {name: float(np.mean([figure[name] for figure in figures])) for name in figures[0]}
    if seeds > 1:
        metrics |= {f"{name}_deviation": float(np.std([f[name] for f in figures], ddof=1)) for name in figures[0]}
    last = "test" if "test" in sets else "dev"
    answer = best.predict_texts([example.text for example in sets[last]])
    labels = [example.label for example in sets[last]]
    print(classification_report(labels, answer.labels, digits=3, zero_division=0.0))
    run.begin(settings)
    save_model(best, output, metrics=metrics)
    run.finish(metrics)
    if predictions is not None:
        with open(predictions, "w", encoding="utf-8") as file:
            for label_, guess, shares in zip(labels, answer.labels, answer.probabilities, strict=True):
                file.write(f"{label_}\t{guess}\t{shares.max():.4f}\n")
    for name, value in metrics.items():
        print(f"  {name:<24} {value:>10.4f}")
    print(f"written to {output}")
    return metrics


if __name__ == "__main__":
    command_line.run(finetune_classifier)
