"""Does it matter what is masked? One size, the same steps, every way of masking; judged frozen and fine-tuned."""

import json
import math
import shutil
from pathlib import Path
from typing import Any, Literal

from campaign import cell_folder, mean_and_deviation, rows_of, run_cells, run_recipe, table_lines
from frozen_probe import accuracy_of, probe_of, shuffled

from keras_mlm import command_line

# How each way is trained. Single tokens of Chinese are characters, whole words are those of the corpus' annotator:
# these two are characters against segmented words.
WAYS: dict[str, dict[str, Any]] = {
    "token": {"masking": "token"},
    "whole_word": {"masking": "whole_word"},
    "span": {"masking": "span"},
    "part_of_speech": {"masking": "whole_word", "content_word_weight": 2.0},
    "adaptive": {"masking": "token", "adaptive_masking": True},
}
# What judges the models of each language: folders of labelled texts and of tagged words.
TEXTS = {"english": ["en_cls/banking77"], "chinese": ["zh_cls/law_branch"]}
WORDS = {"english": ["en_pos/ewt"], "chinese": ["zh_pos/gsd_v1_simp", "zh_ner/uner_gsdsimp_chars"]}
# Held-out sentences for the pseudo-perplexity.
SENTENCES = 200
KEPT = ("perplexity", "masked_lm_accuracy", "seconds", "parameters")
# Of the texts of a set without a dev.tsv, so many percent judge a fine-tuned model.
TEST_PERCENT = 20


def masking_matters(
    *,
    english: str | None = None,
    chinese: str | None = None,
    labelled: str,
    results: str = "recipes/benchmarks/results/masking_matters.json",
    steps: int = 3000,
    preset: str = "tiny",
    style: str = "modern",
    length: int = 64,
    batch_size: int = 64,
    seeds: list[int] | None = None,
    judged: list[Literal["frozen", "fine_tuned"]] | None = None,
    limit: int = 4000,
    work: str = "saved_models/masking_matters",
    only_table: bool = False,
) -> None:
    """Train every way of masking on every corpus for as many steps, judge the models, and print the tables.

    Held-out perplexity is that of single masked tokens, whatever was masked in training, and pseudo-perplexity that of
    sentences whose every token is masked on its own. Frozen, a model is judged by scikit-learn's logistic regression on
    its sequence_output: the mean over a text, and a word's first token. Fine-tuned, by the two recipes as they are, on
    rows as long as in training; the epoch is chosen by a tenth of the training examples, and the dev set, or a fifth of
    a set that has none, judges. Figures are accuracies, of names F1 of whole ones.

    A cell that stands in the results file is not run again, and a run that was stopped is continued, so the command can
    be said again. The first seed of all cells comes before the second. A length in steps, not in minutes: whatever else
    the machine does changes no figure but the seconds, and two such commands, one a language, may share a results file.

    Args:
        english: Folder that prepare_corpus wrote; with the annotator of a tagger, for the parts of speech.
        chinese: The same; with --annotator rjieba, for the words and the parts of speech.
        labelled: Folder of the labelled sets, such as en_cls/banking77 in it, each a train.tsv and perhaps a dev.tsv,
            or packed as .xz.
        results: JSON file of finished cells; read, and written after every cell.
        steps: Length of each training.
        preset: Size of all models.
        style: Of all models.
        length: Tokens a row.
        batch_size: Rows a step.
        seeds: By default 0 only.
        judged: How the models are judged; by default frozen and fine_tuned. A model that is still in the work folder
            is not trained again.
        limit: Texts, and sentences of words, that each probe learns from at most; fine-tuning has all of them.
        work: Folder for the models.
        only_table: Whether to run nothing and print what is there.
    """
    from keras_mlm.data.manifest import Manifest
    from keras_mlm.errors import InputError

    corpora = {name: folder for name, folder in (("english", english), ("chinese", chinese)) if folder}
    if not corpora:
        raise InputError("give --english, --chinese or both")
    cells = [
        {"language": language, "way": way, "preset": preset, "style": style, "length": length,
         "batch_size": batch_size, "steps": steps, "seed": seed, "judged": how}
        for seed in seeds or [0] for language in corpora for way in WAYS for how in judged or ["frozen", "fine_tuned"]
    ]  # fmt: skip
    tagged = {language for language, folder in corpora.items() if Manifest.load(folder).pos_tags}

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        trained = {name: value for name, value in cell.items() if name != "judged"}
        model, data, language = cell_folder(work, trained), corpora[cell["language"]], cell["language"]
        settings = {name: cell[name] for name in ("preset", "style", "length", "batch_size", "steps", "seed")}
        options = {name: [] if value is True else value for name, value in WAYS[cell["way"]].items()}
        run_recipe("pretrain", data=data, output=model, **settings, **options)
        run_recipe("evaluate", model=model, data=data, length=length)
        metrics = json.loads(Path(model, "metrics.json").read_text())
        if cell["judged"] == "frozen":
            figures = judge_frozen(model, data, language, labelled, limit)
        else:
            figures = judge_fine_tuned(model, language, labelled, length)
        return {**{name: metrics[name] for name in KEPT}, **figures}

    able = [cell for cell in cells if cell["way"] != "part_of_speech" or cell["language"] in tagged]
    if not only_table:
        run_cells(able, results, run)
    print_tables(cells, results)


def judge_frozen(model: str, data: str, language: str, labelled: str, limit: int) -> dict[str, float]:
    """Return the pseudo-perplexity of held-out sentences and what each probe comes to."""
    import numpy as np

    from keras_mlm.evaluation.cloze import cloze_questions
    from keras_mlm.model_folder import load_pretrainer

    bert = load_pretrainer(model)
    questions = cloze_questions(bert.tokenizer, data, sentences=SENTENCES)
    sentences = [question.text.replace("[MASK]", question.answer) for question in questions]
    found = {"pseudo_perplexity": round(math.exp(float(np.mean(np.log(bert.pseudo_perplexity(sentences))))), 3)}
    for name in TEXTS[language]:
        found[name] = probe_texts(bert, f"{labelled}/{name}", limit)
    for name in WORDS[language]:
        found[name] = probe_words(bert, f"{labelled}/{name}", limit)
    return found


def judge_fine_tuned(model: str, language: str, labelled: str, length: int) -> dict[str, float]:
    """Return what the model comes to on every set when it is fine-tuned on it."""
    found = {}
    for name in [*TEXTS[language], *WORDS[language]]:
        folder, output = f"{labelled}/{name}", f"{model}-{Path(name).name}"
        dev = part_of(folder, "dev")
        judging = {"test": dev} if dev else {"test_percent": TEST_PERCENT}
        recipe = "finetune_classifier" if name in TEXTS[language] else "finetune_tagger"
        run_recipe(recipe, model=model, train=part_of(folder, "train"), output=output, length=length, **judging)
        metrics = json.loads(Path(output, "metrics.json").read_text())
        found[name] = round(metrics["test_f1" if "test_f1" in metrics else "test_accuracy"], 4)
        shutil.rmtree(output)  # the model is large, and its figure is kept with the cell's
    return found


def probe_texts(bert: Any, folder: str, limit: int) -> float:
    """Return the accuracy of a probe on texts."""
    import numpy as np

    from keras_mlm.data.labelled_texts import read_labelled_texts

    examples = list(read_labelled_texts(part_of(folder, "train")))
    order = shuffled(len(examples), None)
    dev = part_of(folder, "dev")
    judging = list(read_labelled_texts(dev)) if dev else [examples[index] for index in order[: len(order) // 5]]
    learning = [examples[index] for index in (order if dev else order[len(order) // 5 :])[:limit]]
    vectors, labels = zip(
        *((bert.embed([str(e.text) for e in some]), np.array([e.label for e in some])) for some in (learning, judging)),
        strict=True,
    )
    return accuracy_of(vectors[0], labels[0], vectors[1], labels[1])


def probe_words(bert: Any, folder: str, limit: int) -> float:
    """Return the accuracy of a probe on words; where tags spell spans, F1 of these."""
    import numpy as np
    from sklearn.metrics import accuracy_score

    from keras_mlm.data.tagged_words import read_tagged_words
    from keras_mlm.tag_scheme import scheme_of

    learning = list(read_tagged_words(part_of(folder, "train")))
    learning = [learning[index] for index in shuffled(len(learning), limit)]
    judging = list(read_tagged_words(part_of(folder, "dev")))
    tags = [[tag for sentence in some for tag in sentence.tags] for some in (learning, judging)]
    vectors = [word_vectors(bert, [sentence.words for sentence in some]) for some in (learning, judging)]
    probe = probe_of(vectors[0], np.array(tags[0]))
    guesses = probe.predict(vectors[1])
    if scheme_of(sorted(set(tags[0]))) is None:
        return round(float(accuracy_score(tags[1], guesses)), 4)
    from seqeval.metrics import f1_score

    ends = np.cumsum([len(sentence.words) for sentence in judging])[:-1]
    by_sentence = [[list(map(str, part)) for part in np.split(some, ends)] for some in (np.array(tags[1]), guesses)]
    return round(float(f1_score(*by_sentence)), 4)


def word_vectors(bert: Any, sentences: list[list[str]]) -> Any:
    """Return the sequence_output at the first token of every word."""
    import numpy as np

    from keras_mlm.models.bert_token_classifier import BertTokenClassifier
    from keras_mlm.models.row_batches import row_batches

    windows = BertTokenClassifier(bert.config, ["O", "X"], bert.tokenizer).encode_words(sentences)
    outputs: list[Any] = [None] * len(windows.rows)
    for indices, batch in row_batches(windows.rows, bert.tokenizer.pad_token_id):
        hidden = np.asarray(bert.backbone(batch, training=False)["sequence_output"], "float32")
        for index, row in zip(indices, hidden, strict=True):
            outputs[index] = row
    return windows.of_words(outputs)


def part_of(folder: str, split: str) -> str:
    """Return the file of a labelled set's split, plain or packed; an empty string if there is none."""
    from keras_mlm.errors import InputError

    for name in (f"{folder}/{split}.tsv", f"{folder}/{split}.tsv.xz"):
        if Path(name).exists():
            return name
    if split == "train":
        raise InputError(f"{folder} holds no train.tsv: --labelled is the folder above en_cls, zh_pos and the others")
    return ""


def print_tables(cells: list[dict[str, Any]], results: str) -> None:
    """Print all cells of each language and judge, those that are missing too, and means over the seeds."""
    from keras_mlm.text_table import text_table

    for language, how in dict.fromkeys((cell["language"], cell["judged"]) for cell in cells):
        figures = ["perplexity", "pseudo_perplexity", *TEXTS[language], *WORDS[language]]
        if how == "fine_tuned":
            figures.remove("pseudo_perplexity")
        some = [cell for cell in cells if (cell["language"], cell["judged"]) == (language, how)]
        print(text_table([*some[0], *figures], table_lines(some, results, figures)))
        lines = []
        for way in WAYS:
            rows = [row for row in rows_of([cell for cell in some if cell["way"] == way], results) if row]
            means = (mean_and_deviation([row[name] for row in rows]) for name in figures)
            lines.append([language, how, way, len(rows), *means])
        print(text_table(["language", "judged", "way", "seeds", *figures], lines))


if __name__ == "__main__":
    command_line.run(masking_matters)
