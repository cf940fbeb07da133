"""Fine-tune a BERT to tag words (entities, POS): arguments ▶ library calls ▶ model.fit ▶ what was learned."""

import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from keras_mlm import command_line

# Steps in which a model has learned most of what it will learn, however few the sentences are.
STEPS, EPOCHS = 4000, (3, 30)


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
    length: int | None = None,
    epochs: int | None = None,
    patience: int = 4,
    batch_size: int = 32,
    learning_rate: float | None = None,
    dropout: float = 0.1,
    seeds: int = 1,
) -> dict[str, Any]:
    """Fine-tune a BERT to tag words; the epoch that is best on dev is kept.

    Files hold a word a line and a blank line between sentences. Tags that begin with B- and I-, in BIOES also E- and
    S-, spell spans, whose F1 then counts; of other tags, such as parts of speech, the accuracy.

    Args:
        train: Tagged sentences: columns separated by tabs or spaces, also .conllu, also .gz or .xz.
        output: Model folder to write, such as saved_models/entities; of several seeds it holds the best on dev.
        model: Start from this model folder: pre-trained, or a tagger with the same tags.
        from_scratch: Or start from random weights of this size: tiny, mini, small, medium, base or large.
        data: With --from-scratch, the data folder whose vocabulary is used.
        dev: Sentences that choose the epoch; by default a tenth of train, by a hash of the text.
        test: Sentences to be measured on at the end.
        predictions: TSV file to write: word, tag and predicted tag of each word of test, else of dev.
        word: Column of the word, by number from 1 or by name; by default 1, in .conllu 2.
        label: Column of the tag; by default 2, in .conllu 4.
        split_words: Learn where words begin, too, for text without spaces; tags become B- and I- of characters.
        illegal_tags: What an I- after O does: it is repaired to the B- it stands for, or refused.
        length: Tokens a row, by default 128; longer sentences become overlapping windows.
        epochs: The most epochs; the learning rate falls to 0 over them. By default as many as 4,000 steps are.
        patience: Epochs without a better one on dev after which training stops.
        batch_size: Sentences a step.
        learning_rate: The highest rate; by default by the width of the model, 1e-3 for tiny, 6e-5 for base.
        dropout: Share dropped while fine-tuning.
        seeds: How many times to train, with seeds 0, 1, ...; figures are then means and deviations.

    Returns:
        The figures that metrics.json holds.
    """
    from keras_mlm.errors import InputError

    if (model is None) == (from_scratch is None) or (from_scratch is None) != (data is None):
        raise InputError("give either --model FOLDER, or --from-scratch PRESET with --data FOLDER for its vocabulary")
    for name, value in (("epochs", epochs or 1), ("batch_size", batch_size), ("seeds", seeds), ("patience", patience)):
        if value < 1 or (name == "epochs" and epochs == 0):
            raise InputError(f"--{name.replace('_', '-')} is too small")
    if predictions is not None and not Path(predictions).absolute().parent.is_dir():
        raise InputError(f"--predictions {predictions}: there is no such folder")

    import keras
    import numpy as np

    try:
        from sklearn.metrics import classification_report
    except ImportError:
        raise InputError("the report needs scikit-learn: pip install 'keras-mlm[finetune]'") from None

    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.labelled_batches import labelled_batches
    from keras_mlm.data.tagged_sets import check_tags, held_out_sentences, legal_tags, tag_names
    from keras_mlm.data.tagged_sets import split_words as split
    from keras_mlm.data.tagged_words import read_tagged_words
    from keras_mlm.model_folder import load_model, save_model
    from keras_mlm.models.bert_token_classifier import BertTokenClassifier
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.run_folder import RunFolder
    from keras_mlm.training.tagging_metrics import TaggingMetrics, seqeval_metrics, tagging_figures
    from keras_mlm.training.training_budget import TrainingBudget

    trained = load_model(model) if model is not None else None
    tokenizer = trained.tokenizer if trained is not None else WordPieceTokenizer.load(str(data))
    sets = {}
    for name, path in (("train", train), ("dev", dev), ("test", test)):
        if path is not None:
            sets[name] = list(read_tagged_words(path, word=word, label=label))
            sets[name] = legal_tags(sets[name], refuse=illegal_tags == "refuse")
            sets[name] = split(sets[name], tokenizer) if split_words else sets[name]
    if dev is None:
        sets["train"], sets["dev"] = held_out_sentences(sets["train"])
    classes = tag_names(sets["train"])
    for name in sets:
        check_tags(sets[name], classes)

    def start() -> Any:
        if trained is None:
            config = BertConfig.from_preset(
                str(from_scratch), style="short_budget", vocabulary_size=tokenizer.vocabulary_size, dropout=dropout
            )
            return BertTokenClassifier(config, classes, tokenizer, length=length or 128)
        longest = length or min(128, trained.config.max_sequence_length)
        if not isinstance(trained, BertTokenClassifier):
            return BertTokenClassifier.from_encoder(trained, classes, length=longest, dropout=dropout)
        if set(trained.classes) != set(classes):
            raise InputError(f"{model} is a tagger of other tags: {', '.join(trained.classes[:10])}")
        again = BertTokenClassifier.from_encoder(trained, trained.classes, length=longest, dropout=dropout)
        again.set_weights(trained.get_weights())
        return again

    keras.utils.set_random_seed(0)
    tagger = start()
    words = {name: [sentence.words for sentence in sentences] for name, sentences in sets.items()}
    truth = {name: [sentence.tags for sentence in sentences] for name, sentences in sets.items()}
    windows = {name: tagger.encode_words(of_set) for name, of_set in words.items()}
    steps_an_epoch = -(-len(windows["train"].rows) // batch_size)
    epochs = epochs or min(max(round(STEPS / steps_an_epoch), EPOCHS[0]), EPOCHS[1])
    rate = learning_rate or 6e-5 * (768 / tagger.config.hidden_dim) ** 1.6
    finetuning = {"model": model, "from_scratch": from_scratch, "split_words": split_words, "length": tagger.length,
                  "epochs": epochs, "patience": patience, "batch_size": batch_size, "learning_rate": rate,
                  "dropout": dropout, "seeds": seeds}  # fmt: skip
    run = RunFolder(output)
    # What was learned from, so that a changed file is no finished run.
    digests = {name: hashlib.sha256(repr((words[name], truth[name])).encode()).hexdigest() for name in sets}
    settings = {"finetuning": finetuning, "examples": digests}
    done = run.find(settings)
    if done is not None:
        print(f"{output} is finished; choose another --output to train with other settings")
        print(done)
        return done

    counts = ", ".join(f"{len(of_set):,} {name}" for name, of_set in sets.items())
    print(f"{tagger.count_params():,} parameters, {len(classes)} tags{f' ({tagger.scheme})' if tagger.scheme else ''}, "
          f"sentences: {counts}; {len(windows['train'].rows):,} training rows, {epochs} epochs at most")  # fmt: skip
    numbers = tagger.class_numbers([tag for tags in truth["train"] for tag in tags])
    judge = "f1" if tagger.scheme else "accuracy"
    steps = epochs * steps_an_epoch
    figures: list[dict[str, float]] = []
    best: Any = None
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        tagger = start() if seed else tagger
        tagger.compile(optimizer_from(PretrainingConfig(steps=steps, learning_rate=rate)))
        stop = keras.callbacks.EarlyStopping(
            f"val_{judge}", mode="max", patience=patience, restore_best_weights=True, start_from_epoch=0
        )
        tagger.fit(
            labelled_batches(windows["train"].rows, windows["train"].labels(numbers), batch_size=batch_size, seed=seed),
            epochs=epochs,
            shuffle=False,  # the batches have their own order
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                TrainingBudget(steps=steps, learning_rate=rate), TaggingMetrics(words["dev"], truth["dev"]), stop
            ],
        )  # fmt: skip
        found: dict[str, float] = {"epochs": float(stop.best_epoch + 1)}
        for name in set(sets) - {"train"}:
            answers = tagger.predict_windows(windows[name]).tags
            of_set = tagging_figures(truth[name], answers, spans=tagger.scheme is not None)
            found |= {f"{name}_{figure}": value for figure, value in of_set.items()}
        if best is None or found[f"dev_{judge}"] > max(figure[f"dev_{judge}"] for figure in figures):
            best = tagger
        figures.append(found)

    metrics: dict[str, Any] = {name: float(np.mean([figure[name] for figure in figures])) for name in figures[0]}
    if seeds > 1:
        metrics |= {f"{name}_deviation": float(np.std([f[name] for f in figures], ddof=1)) for name in figures[0]}
    last = "test" if "test" in sets else "dev"
    answer = best.predict_windows(windows[last])
    if best.scheme:
        print(seqeval_metrics().classification_report(truth[last], answer.tags, digits=3, zero_division=0))
    else:
        flat = [[tag for tags in of_set for tag in tags] for of_set in (truth[last], answer.tags)]
        print(classification_report(*flat, digits=3, zero_division=0.0))
    print("\n".join(errors(sets[last], answer)))
    run.begin(settings)
    save_model(best, output, metrics=metrics)
    run.finish(metrics)
    if predictions is not None:
        write_predictions(predictions, sets[last], answer.tags)
    for name, value in metrics.items():
        print(f"  {name:<24} {value:>10.4f}")
    print(f"written to {output}")
    return metrics


def errors(sentences: Any, answer: Any, most: int = 10) -> list[str]:
    """Return lines to read: the most frequent confusions, and the errors that the model is most certain of."""
    pairs: Counter[tuple[str, str]] = Counter()
    found = []
    for sentence, tags, scores in zip(sentences, *answer, strict=True):
        for place, (true, tag) in enumerate(zip(sentence.tags, tags, strict=True)):
            if true != tag:
                pairs[true, tag] += 1
                found.append((float(scores[place]), sentence, place, tag))
    lines = ["most frequent confusions: "
             + ", ".join(f"{true} as {tag} {count}" for (true, tag), count in pairs.most_common(most))]  # fmt: skip
    lines.append("most certain errors:")
    for score, sentence, place, tag in sorted(found, key=lambda error: -error[0])[:most]:
        before, after = sentence.words[max(0, place - 5) : place], sentence.words[place + 1 : place + 6]
        text = " ".join([*before, f"[{sentence.words[place]}]", *after])
        lines.append(f"  {score:.3f}  line {sentence.lines[place]}: {sentence.tags[place]} as {tag}: {text}")
    return lines if found else ["no errors"]


def write_predictions(path: str, sentences: Any, predicted: Any) -> None:
    """Write word, tag and predicted tag in columns, as the CoNLL evaluation reads them."""
    partial = Path(path + ".partial")
    with partial.open("w", encoding="utf-8", errors="surrogatepass") as file:
        for sentence, tags in zip(sentences, predicted, strict=True):
            for cells in zip(sentence.words, sentence.tags, tags, strict=True):
                file.write("\t".join(cells) + "\n")
            file.write("\n")
    partial.replace(path)


if __name__ == "__main__":
    command_line.run(finetune_tagger)
