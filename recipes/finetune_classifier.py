"""Fine-tune a BERT to classify texts or pairs: arguments ▶ library calls ▶ model.fit ▶ what was learned."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any, Literal

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
    test_percent: int = 0,
    predictions: str | None = None,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    label_separator: str | None = None,
    length: int = 128,
    long_text: Literal["truncate", "head_tail", "windows"] = "truncate",
    pooling: Literal["cls", "cls_mean_max"] | None = None,
    class_weights: list[str] | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    layer_decay: float | None = None,
    dropout: float | None = None,
    precision: Literal["float32", "mixed_bfloat16"] | None = None,
    seeds: int = 1,
    calibrate: bool = False,
    no_samples: bool = False,
) -> dict[str, Any]:
    """Fine-tune a BERT to put texts, or pairs of texts, into classes; the epoch that is best on dev is kept.

    Of several seeds the same command continues with the next one when it was stopped.

    Args:
        train: Labelled examples, .tsv, .csv or .jsonl, also .gz or .xz; or a data set of the Hugging Face hub,
            hf:NAME#SPLIT (the extra datasets), with the columns "text" and "label" by default; dev and test likewise.
        output: Model folder to write, such as saved_models/topics; of several seeds it holds the best on dev.
        model: Start from this model folder: pre-trained, or a classifier of the same classes.
        from_scratch: Or start from random weights of this size: tiny, mini, small, medium, base or large.
        data: With --from-scratch, the data or model folder whose vocabulary is used.
        dev: Examples that choose the epoch; by default a tenth of train, by a hash of the text.
        test: Examples to be measured on at the end.
        test_percent: Or so many percent of train, by the same hash; nothing is learned from them.
        predictions: TSV file to write: label, predicted label and probability of each test example, else of dev.
        text: Column of the text, by number from 1 or by name; by default 2, in JSONL "text".
        label: Column of the label; by default 1, in JSONL "label".
        pair: Column of the second text of a pair.
        label_separator: What stands between labels where a text may have several or none, such as ","; the
            answers are then all classes above one half.
        length: Tokens a row.
        long_text: What becomes of longer texts, here and in everything the model does later: truncate cuts the end,
            head_tail the middle, windows takes the mean over overlapping windows.
        pooling: What the last layer sees: cls, as in other libraries, or cls_mean_max, also the mean and the largest
            value over the tokens; by default that for tiny and mini, whose [CLS] knows little.
        class_weights: "balanced", so that rare classes count as much as frequent ones, or NAME=WEIGHT a class.
        epochs: The most epochs, over which the learning rate falls to 0; by default by the model and the examples.
        patience: Epochs without a better one on dev after which training stops; by default 5, of few examples more.
        batch_size: Rows a step; by default 64 for tiny and mini, of few texts 16, else 32.
        learning_rate: The highest rate; by default by the width of the model, 2e-3 for tiny, 3e-5 for base.
        layer_decay: Rate of each encoder block as a share of that of the block above; by default 0.9,
            from scratch 1.
        dropout: Share dropped while fine-tuning; by default 0.3 for tiny and mini, else, and for pairs, 0.1.
        precision: Of the products; by default mixed_bfloat16 on a CPU that has it, if training takes minutes. What
            is kept, and measured, computes in float32.
        seeds: How many times to train, with seeds 0, 1, ...; figures are then means and deviations.
        calibrate: Fit a temperature on dev, so that probabilities are as often right as they say.
        no_samples: Do not show texts of the examples.

    Returns:
        The figures that metrics.json holds.
    """
    from keras_mlm.errors import InputError

    if seeds < 1:
        raise InputError(f"--seeds must be at least 1, not {seeds}")
    if predictions is not None and not Path(predictions).absolute().parent.is_dir():
        raise InputError(f"--predictions {predictions}: there is no such folder")

    import keras
    import numpy as np

    from keras_mlm.data import labelled_sets
    from keras_mlm.data.labelled_batches import labelled_batches
    from keras_mlm.evaluation import classifier_report as report
    from keras_mlm.evaluation.calibration import expected_calibration_error, fit_temperature
    from keras_mlm.evaluation.confusion_picture import save_confusion_picture
    from keras_mlm.model_folder import load_model, save_model
    from keras_mlm.models.bert_text_classifier import BertTextClassifier
    from keras_mlm.report.report_updates import ReportUpdates
    from keras_mlm.report.run_report import write_report
    from keras_mlm.starting_model import starting_model
    from keras_mlm.training.fine_tuning import FineTuning
    from keras_mlm.training.run_folder import RunFolder
    from keras_mlm.training.seed_log import SeedLog

    # What there is to learn.
    columns = {"text": text, "label": label, "pair": pair, "separator": label_separator}
    sets, classes = labelled_sets.read_labelled_sets(train, dev=dev, test=test, test_percent=test_percent, **columns)
    weights = labelled_sets.class_weights(sets["train"], class_weights) if class_weights else None
    head = {"length": length, "long_text": long_text, "multi_label": label_separator is not None, "pooling": pooling}
    source = {"model": model, "from_scratch": from_scratch, "data": data}

    # What learns it, and how.
    keras.utils.set_random_seed(0)
    classifier = starting_model(BertTextClassifier, classes, **source, dropout=dropout, **head)
    classes = classifier.classes
    tuning = FineTuning.for_model(
        classifier.config, len(sets["train"]), pretrained=model is not None, pairs=pair is not None, epochs=epochs,
        patience=patience, batch_size=batch_size, learning_rate=learning_rate, layer_decay=layer_decay,
        dropout=dropout, precision=precision,
    )  # fmt: skip
    run = RunFolder(output)
    settings = {
        "finetuning": {**source, **head, **dataclasses.asdict(tuning), "seeds": seeds, "calibrate": calibrate,
                       "class_weights": " ".join(class_weights or []) or None},
        "examples": {name: labelled_sets.examples_digest(examples) for name, examples in sets.items()},
    }  # fmt: skip
    done = run.find(settings)
    if done is not None:
        print(f"{output} is finished; choose another --output to train with other settings")
        print(done)
        return done

    rows = {name: classifier.encode([example.text for example in examples]) for name, examples in sets.items()}
    truth = {name: classifier.class_numbers([e.label for e in examples]) for name, examples in sets.items()}
    full = sum(len(row["token_ids"]) == length for row in rows["train"])
    print(f"{classifier.count_params():,} parameters, {len(classes)} classes, "
          + ", ".join(f"{len(examples):,} {name}" for name, examples in sets.items())
          + f"; {len(rows['train']):,} training rows, {full:,} of them full")  # fmt: skip
    print(tuning)

    def probabilities(name: str) -> np.ndarray:
        return classifier.predictions(classifier.text_logits(rows[name])).probabilities

    def dev_scores() -> dict[str, float]:
        classifier.take_weights(trained)
        return report.classifier_scores(truth["dev"], probabilities("dev"))

    best_by = "micro_f1" if label_separator is not None else "accuracy"
    run.begin(settings)
    run.keep("data", {
        name: {"examples": len(examples), "most frequent classes": dict(
            Counter(label for example in examples for label in example.labels).most_common(20))}
        for name, examples in sets.items()
    })  # fmt: skip
    log = SeedLog(run, f"dev_{best_by}")
    for seed in range(len(log.figures), seeds):
        keras.utils.set_random_seed(seed)
        classifier = starting_model(BertTextClassifier, classes, **source, dropout=tuning.dropout, **head)
        trained = classifier.in_precision(tuning.precision)
        trained.compile(tuning.optimizer(classifier.config))
        callbacks = tuning.callbacks(rows["train"], dev_scores, best_by, f"{run.logs}/seed-{seed}")
        trained.fit(
            labelled_batches(
                rows["train"],
                truth["train"],
                batch_size=tuning.batch_size,
                seed=seed,
                weights=weights,
                few_shapes=tuning.few_shapes,
            ),
            epochs=tuning.epochs,
            shuffle=False,  # the batches have their own order
            verbose=tuning.verbose,
            callbacks=[*callbacks, ReportUpdates(output, samples=not no_samples)],
        )
        classifier.take_weights(trained)  # the best epoch's
        figures = {"epochs": callbacks[1].epoch + 1.0}
        for name in set(sets) - {"train"}:
            scores = report.classifier_scores(truth[name], probabilities(name))
            figures |= {f"{name}_{figure}": value for figure, value in scores.items()}
        if log.is_best(figures):
            save_model(classifier, output)
        log.add(figures)
        print(f"seed {seed}: " + ", ".join(f"{name} {value:.4g}" for name, value in sorted(figures.items())))

    # What was learned.
    classifier, metrics = load_model(output), log.means()
    last = "test" if "test" in sets else "dev"
    if calibrate:
        before = expected_calibration_error(probabilities(last), truth[last])
        classifier.temperature = fit_temperature(classifier.text_logits(rows["dev"]), truth["dev"])
        after = expected_calibration_error(probabilities(last), truth[last])
        metrics |= {"temperature": classifier.temperature, f"{last}_calibration_error_before": before,
                    f"{last}_calibration_error": after}  # fmt: skip
    save_model(classifier, output, metrics=metrics)
    answer = classifier.predictions(classifier.text_logits(rows[last]))
    texts = [] if no_samples else [example.text for example in sets[last]]
    print(f"\non {last}, {report.full_report(classes, truth[last], answer.probabilities, texts)}\n")
    run.keep("answers", report.answers_record(classes, truth[last], answer.probabilities, texts))
    if label_separator is None:
        save_confusion_picture(f"{output}/confusion.png", classes, truth[last], answer.probabilities.argmax(axis=1))
    if predictions is not None:
        report.write_predictions(predictions, sets[last], answer, label_separator)
    run.finish(metrics)
    write_report(output, samples=not no_samples)
    for name, value in sorted(metrics.items()):
        print(f"  {name:<32} {value:>10.4f}")
    print(f"written to {output}; to look at: {output}/report.html")
    return metrics


if __name__ == "__main__":
    command_line.run(finetune_classifier)
