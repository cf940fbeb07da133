"""Fine-tune a BERT to tag words (entities, POS): arguments ▶ library calls ▶ model.fit ▶ what was learned."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from keras_mlm import command_line


def finetune_tagger(
    *,
    train: str,
    output: str,
    model: str | None = None,
    from_scratch: str | None = None,
    data: str | None = None,
    dev: str | None = None,
    test: str | None = None,
    predictions: str | None = None,
    word: str | None = None,
    label: str | None = None,
    split_words: bool = False,
    illegal_tags: Literal["repair", "refuse"] = "repair",
    length: int = 128,
    epochs: int | None = None,
    patience: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    layer_decay: float | None = None,
    dropout: float | None = None,
    precision: Literal["float32", "mixed_bfloat16"] | None = None,
    seeds: int = 1,
    no_samples: bool = False,
) -> dict[str, Any]:
    """Fine-tune a BERT to tag words; the epoch that is best on dev is kept.

    Files hold a word a line and a blank line between sentences. Tags that begin with B- and I-, in BIOES also E- and
    S-, spell spans, whose F1 then counts; of other tags, such as parts of speech, the accuracy. Of several seeds the
    same command continues with the next one when it was stopped.

    Args:
        train: Tagged sentences: columns separated by tabs or spaces, also .conllu, also .gz or .xz; or a data set of
            the Hugging Face hub, hf:NAME#SPLIT (the extra datasets), with lists "tokens" and "ner_tags" by default; dev
            and test likewise.
        output: Model folder to write, such as saved_models/entities; of several seeds it holds the best on dev.
        model: Start from this model folder: pre-trained, or a tagger with the same tags.
        from_scratch: Or start from random weights of this size: tiny, mini, small, medium, base or large.
        data: With --from-scratch, the data or model folder whose vocabulary is used.
        dev: Sentences that choose the epoch; by default a tenth of train, by a hash of the text.
        test: Sentences to be measured on at the end.
        predictions: TSV file to write: word, tag and predicted tag of each word of test, else of dev.
        word: Column of the word, by number from 1 or by name; by default 1, in .conllu 2.
        label: Column of the tag; by default 2, in .conllu 4.
        split_words: Learn where words begin, too, for text without spaces; tags become B- and I- of characters.
        illegal_tags: What an I- after O does: it is repaired to the B- it stands for, or refused.
        length: Tokens a row; longer sentences become overlapping windows.
        epochs: The most epochs, over which the learning rate falls to 0; by default by the model and the sentences.
        patience: Epochs without a better one on dev after which training stops; by default 5, of few examples more.
        batch_size: Rows a step; by default 16.
        learning_rate: The highest rate; by default by the width of the model, 2e-3 for tiny, 6e-5 for base.
        layer_decay: Rate of each encoder block as a share of that of the block above; by default 0.9,
            from scratch 1.
        dropout: Share dropped while fine-tuning; by default 0.3 for tiny and mini, else 0.1.
        precision: Of the products; by default mixed_bfloat16 on a CPU that has it, if training takes minutes. What
            is kept, and measured, computes in float32.
        seeds: How many times to train, with seeds 0, 1, ...; figures are then means and deviations.
        no_samples: Do not show words of the sentences.

    Returns:
        The figures that metrics.json holds.
    """
    from keras_mlm.errors import InputError

    if seeds < 1:
        raise InputError(f"--seeds must be at least 1, not {seeds}")
    if predictions is not None and not Path(predictions).absolute().parent.is_dir():
        raise InputError(f"--predictions {predictions}: there is no such folder")

    import keras

    from keras_mlm.data import tagged_sets
    from keras_mlm.data.labelled_batches import labelled_batches
    from keras_mlm.evaluation import tagger_report as report
    from keras_mlm.evaluation.confusion_picture import save_confusion_picture
    from keras_mlm.model_folder import load_model, save_model
    from keras_mlm.models.bert_token_classifier import BertTokenClassifier
    from keras_mlm.report.report_updates import ReportUpdates
    from keras_mlm.report.run_report import write_report
    from keras_mlm.starting_model import check_source, starting_model
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
    from keras_mlm.training.fine_tuning import FineTuning
    from keras_mlm.training.run_folder import RunFolder
    from keras_mlm.training.seed_log import SeedLog

    # What there is to learn.
    check_source(model, from_scratch, data)
    sets, classes = tagged_sets.read_tagged_sets(
        train, dev=dev, test=test, word=word, label=label, refuse=illegal_tags == "refuse",
        splitter=WordPieceTokenizer.load(model or str(data)) if split_words else None,
    )  # fmt: skip
    source = {"model": model, "from_scratch": from_scratch, "data": data}

    # What learns it, and how.
    keras.utils.set_random_seed(0)
    tagger = starting_model(BertTokenClassifier, classes, **source, dropout=dropout, length=length)
    classes, spans = tagger.classes, tagger.scheme is not None
    tuning = FineTuning.for_model(
        tagger.config, len(sets["train"]), pretrained=model is not None, tags=True, epochs=epochs, patience=patience,
        batch_size=batch_size, learning_rate=learning_rate, layer_decay=layer_decay, dropout=dropout,
        precision=precision,
    )  # fmt: skip
    words = {name: [sentence.words for sentence in sentences] for name, sentences in sets.items()}
    truth = {name: [sentence.tags for sentence in sentences] for name, sentences in sets.items()}
    run = RunFolder(output)
    settings = {
        "finetuning": {**source, "length": length, **dataclasses.asdict(tuning), "seeds": seeds},
        # What was learned from, so that a changed file is no finished run.
        "examples": {name: tagged_sets.sentences_digest(sentences) for name, sentences in sets.items()},
    }
    done = run.find(settings)
    if done is not None:
        print(f"{output} is finished; choose another --output to train with other settings")
        print(done)
        return done

    windows = {name: tagger.encode_words(of_set) for name, of_set in words.items()}
    rows = windows["train"].rows
    labels = windows["train"].labels(tagger.class_numbers([tag for tags in truth["train"] for tag in tags]))
    print(f"{tagger.count_params():,} parameters, {len(classes)} tags ({tagger.scheme or 'no spans'}), sentences: "
          + ", ".join(f"{len(of_set):,} {name}" for name, of_set in sets.items())
          + f"; {len(rows):,} training rows")  # fmt: skip
    print(tuning)

    def dev_scores() -> dict[str, float]:
        tagger.take_weights(trained)
        return report.tagger_scores(tagger, windows["dev"], truth["dev"])

    best_by = "f1" if spans else "accuracy"
    run.begin(settings)
    run.keep("data", {
        name: {"sentences": len(of_set), "words": sum(map(len, of_set)),
               "tags": dict(Counter(tag for tags in truth[name] for tag in tags).most_common(40))}
        for name, of_set in words.items()
    })  # fmt: skip
    log = SeedLog(run, f"dev_{best_by}")
    for seed in range(len(log.figures), seeds):
        keras.utils.set_random_seed(seed)
        tagger = starting_model(BertTokenClassifier, classes, **source, dropout=tuning.dropout, length=length)
        trained = tagger.in_precision(tuning.precision)
        trained.compile(tuning.optimizer(tagger.config))
        callbacks = tuning.callbacks(rows, dev_scores, best_by, f"{run.logs}/seed-{seed}")
        trained.fit(
            labelled_batches(rows, labels, batch_size=tuning.batch_size, seed=seed, few_shapes=tuning.few_shapes),
            epochs=tuning.epochs,
            shuffle=False,  # the batches have their own order
            verbose=tuning.verbose,
            callbacks=[*callbacks, ReportUpdates(output, samples=not no_samples)],
        )
        tagger.take_weights(trained)  # the best epoch's
        figures = {"epochs": callbacks[1].epoch + 1.0}
        for name in set(sets) - {"train"}:
            scores = report.tagger_scores(tagger, windows[name], truth[name])
            figures |= {f"{name}_{figure}": value for figure, value in scores.items()}
        if log.is_best(figures):
            save_model(tagger, output)
        log.add(figures)
        print(f"seed {seed}: " + ", ".join(f"{name} {value:.4g}" for name, value in sorted(figures.items())))

    # What was learned.
    tagger, metrics = load_model(output), log.means()
    save_model(tagger, output, metrics=metrics)
    last = "test" if "test" in sets else "dev"
    answer = tagger.predict_windows(windows[last])
    print(f"\non {last}, {report.full_report(sets[last], answer, spans=spans, texts=not no_samples)}\n")
    run.keep("answers", report.answers_record(sets[last], answer, classes, spans=spans, texts=not no_samples))
    numbers = [tagger.class_numbers([tag for tags in of for tag in tags]) for of in (truth[last], answer.tags)]
    save_confusion_picture(f"{output}/confusion.png", classes, *numbers)
    if predictions is not None:
        report.write_predictions(predictions, sets[last], answer.tags)
    run.finish(metrics)
    write_report(output, samples=not no_samples)
    for name, value in sorted(metrics.items()):
        print(f"  {name:<32} {value:>10.4f}")
    print(f"written to {output}; to look at: {output}/report.html")
    return metrics


if __name__ == "__main__":
    command_line.run(finetune_tagger)
