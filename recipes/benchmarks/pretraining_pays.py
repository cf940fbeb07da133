"""Does pre-training pay? The systems from before BERT and BERTs on ten labelled sets, and where labels are few."""

import dataclasses
import itertools
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

from campaign import mean_and_deviation, run_recipe

from keras_mlm import command_line

# How each set is read; a set whose folder has no dev.tsv is judged by a fifth of its texts.
SETS: dict[str, dict[str, Any]] = {
    "banking77": {"folder": "en_cls/banking77"},
    "law_branch": {"folder": "zh_cls/law_branch"},
    "classics4": {"folder": "zh_cls/classics4"},
    "nsp_wikinews": {"folder": "en_pair/nsp_wikinews", "pair": 3},
    "nsp_zhwiki_dev": {"folder": "zh_pair/nsp_zhwiki_dev", "pair": 3},
    "ewt": {"folder": "en_pos/ewt", "task": "tags"},
    "gsd_v1_simp": {"folder": "zh_pos/gsd_v1_simp", "task": "tags"},
    "btc": {"folder": "en_ner/btc", "task": "tags"},
    "wnut17": {"folder": "en_ner/wnut17", "task": "tags"},
    "uner_gsdsimp_chars": {"folder": "zh_ner/uner_gsdsimp_chars", "task": "tags"},
}
# Sets that are also learned from few examples.
CURVES = ("banking77", "ewt", "classics4", "gsd_v1_simp")
TEST_PERCENT = 20
LANGUAGES = {"en": "english", "zh": "chinese"}


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """Systems that learn a set from all its examples, or from few, and the file of what they come to."""

    name: str
    examples: int | None
    systems: list[str]
    path: str

    @property
    def cells(self) -> dict[str, dict[str, dict[str, float]]]:
        """The figures that are there, by system and seed."""
        path = Path(self.path)
        return json.loads(path.read_text())["cells"] if path.exists() else {}  # type: ignore[no-any-return]

    def scores(self, system: str) -> list[float]:
        """Return the accuracy, or of spans the F1, that a system came to with each seed."""
        return [next(iter(figures.values())) for figures in self.cells.get(system, {}).values()]

    def missing(self, seeds: int) -> int:
        """Return how many cells of so many seeds are not there."""
        from keras_mlm.baselines.systems import DETERMINISTIC

        cells = self.cells
        return sum(
            str(seed) not in cells.get(system, {})
            for system in self.systems
            for seed in range(seeds if self.examples is not None or system not in DETERMINISTIC else 1)
        )


def pretraining_pays(
    *,
    labelled: str,
    english: list[str] | None = None,
    chinese: list[str] | None = None,
    english_text: list[str] | None = None,
    chinese_text: list[str] | None = None,
    results: str = "recipes/benchmarks/results/pretraining_pays",
    sets: list[str] | None = None,
    few: list[int] | None = None,
    seeds: int = 1,
    only: list[str] | None = None,
    length: int = 128,
    work: str = "saved_models/pretraining_pays",
    only_table: bool = False,
) -> None:
    """Measure every system on every labelled set, then with few examples, and print and draw what they come to.

    Each set is a run of recipes/baselines.py, whose finished cells are kept: the command can be stopped and said again,
    with more seeds or models. One seed of everything comes before the second. Epochs and numbers are chosen by a tenth
    of the training examples; the dev set, or a fifth of a set that has none, judges.

    Args:
        labelled: Folder of the labelled sets, such as en_cls/banking77 in it, each a train.tsv and perhaps a dev.tsv.
        english: Model folders for the English sets; each is fine-tuned, and the first also from random weights.
        chinese: The same for the Chinese ones.
        english_text: Text that English word vectors learn from, but for documents that hold a sentence of what judges;
            without it networks begin with random ones.
        chinese_text: The same for Chinese.
        results: Folder of a JSON file a set, and of learning_curves.png.
        sets: Names of the sets; by default all.
        few: How many labelled examples the learning curves have beside all; by default 50, 200 and 1000,
            with 0 there are none.
        seeds: How many times to train what depends on chance, and to draw few examples.
        only: Names of the systems, of those that a set has; by default all.
        length: Tokens a row of the BERTs.
        work: Folder for the word vectors.
        only_table: Whether to run nothing and print what is there.
    """
    from keras_mlm.errors import InputError

    names = sets or list(SETS)
    unknown = sorted(set(names) - set(SETS))
    if unknown:
        raise InputError(f"no set is called {', '.join(unknown)}; known are {', '.join(SETS)}")
    models = {"english": english or [], "chinese": chinese or []}
    texts = {"english": english_text, "chinese": chinese_text}
    jobs = [(name, None) for name in names]
    jobs += [(name, count) for name in names if name in CURVES for count in few or [50, 200, 1000] if count]
    jobs = [
        Job(name, count, _systems(name, models, texts, only), f"{results}/{name}{f'_{count}' if count else ''}.json")
        for name, count in jobs
    ]
    for number in [] if only_table else range(1, seeds + 1):
        left = {job: count for job in jobs if (count := job.missing(number))}
        begun, done, cells = time.monotonic(), 0, sum(left.values())
        for job, count in left.items():
            rest = f", {(cells - done) * (time.monotonic() - begun) / done / 60:.0f} minutes left" if done else ""
            print(f"{cells - done} cells missing{rest}: {job.name}, {job.examples or 'all'} examples", flush=True)
            language = _language(job.name)
            run_recipe(
                "baselines", results=job.path, models=models[language] or None, seeds=number, length=length,
                vectors=_vectors(language, texts[language], work, labelled), examples=job.examples,
                only=job.systems, **_reading(job.name, labelled),
            )  # fmt: skip
            done += count
    print_tables(jobs)
    draw_curves(jobs, labelled, f"{results}/learning_curves.png")


def _language(name: str) -> str:
    return LANGUAGES[SETS[name]["folder"][:2]]


def _reading(name: str, labelled: str) -> dict[str, Any]:
    """Return the options that read a set."""
    options = dict(SETS[name])
    folder = f"{labelled}/{options.pop('folder')}"
    dev = f"{folder}/dev.tsv"
    judging = {"test": dev} if Path(dev).exists() else {"test_percent": TEST_PERCENT}
    return {**options, "train": f"{folder}/train.tsv", **judging}


def _systems(name: str, models: dict[str, list[str]], texts: dict[str, Any], only: list[str] | None) -> list[str]:
    from keras_mlm.baselines import systems

    make = systems.tag_systems if _has_tags(name) else systems.text_systems
    language = _language(name)
    there = make([], models[language], 0, (lambda: None) if texts[language] else None)
    return [system for system in there if not only or system in only]


def _has_tags(name: str) -> bool:
    return SETS[name].get("task") == "tags"


def _vectors(language: str, text: list[str] | None, work: str, labelled: str) -> str | None:
    """Return the file of the word vectors of a language, which are learned once, without what judges."""
    from keras_mlm.baselines.word_vectors import lazy_vectors

    path = f"{work}/{language}_vectors.txt"
    readings = [_reading(name, labelled) for name in SETS if _language(name) == language]
    vectors = lazy_vectors(None, text, path, [reading["test"] for reading in readings if "test" in reading])
    if vectors is None:
        return None
    if not Path(path).exists():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        vectors()
    return path


def print_tables(jobs: list[Job]) -> None:
    """Print a table of the sets of texts, one of those of tags, and one for each learning curve."""
    from keras_mlm.text_table import text_table

    whole = [job for job in jobs if job.examples is None]
    groups = {
        "texts": [job for job in whole if not _has_tags(job.name)],
        "tags": [job for job in whole if _has_tags(job.name)],
        **{f"{name}, by the number of examples": curve for name, curve in _curves(jobs).items()},
    }
    for title, group in groups.items():
        names = [job.name if title in ("texts", "tags") else str(job.examples or "all") for job in group]
        lines = [[system, *(_shown(job, system) for job in group)] for system in _in_any(group)]
        if lines:
            print(f"\n{title}\n{text_table(['system', *names], lines)}")


def _curves(jobs: list[Job]) -> dict[str, list[Job]]:
    """Return the jobs of each set that is learned from few examples too, from the fewest to all."""
    names = dict.fromkeys(job.name for job in jobs if job.examples is not None)
    return {
        name: sorted((job for job in jobs if job.name == name), key=lambda job: job.examples or math.inf)
        for name in names
    }


def _in_any(jobs: list[Job]) -> list[str]:
    """Return the systems that are to be measured or have been."""
    return list(dict.fromkeys(system for job in jobs for system in (*job.systems, *job.cells)))


def _shown(job: Job, system: str) -> str:
    scores = job.scores(system)
    if not scores and system not in job.systems:
        return ""
    return mean_and_deviation(scores) + (f" ({len(scores)})" if len(scores) > 1 else "")


def draw_curves(jobs: list[Job], labelled: str, path: str) -> None:
    """Draw what systems come to by the number of labelled examples, a panel a set.

    Args:
        jobs: what was run.
        labelled: folder of the labelled sets, which tells how many all are.
        path: PNG file to write.
    """
    import matplotlib

    from keras_mlm.baselines.systems import RANDOM

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curves = _curves(jobs)
    if not curves:
        return
    systems = [system for system in _in_any(jobs) if system != "majority"]
    rows, colors = -(-len(curves) // 2), pyplot.get_cmap("tab20")  # there are more systems than usual colors
    figure, places = pyplot.subplots(rows, 2, figsize=(11, 0.6 + 4.2 * rows), squeeze=False, layout="constrained")
    for place, (name, curve) in itertools.zip_longest(places.flat, curves.items(), fillvalue=("", [])):
        place.set_visible(bool(curve))
        counts = [job.examples or _examples(name, labelled) for job in curve]
        for number, system in enumerate(systems):
            points = [
                (count, scores) for count, job in zip(counts, curve, strict=True) if (scores := job.scores(system))
            ]
            if not points:
                continue
            means = [statistics.mean(scores) for _, scores in points]
            spread = [statistics.stdev(scores) if len(scores) > 1 else 0.0 for _, scores in points]
            ours = system.startswith("bert ") and not system.endswith(RANDOM)
            at = [count for count, _ in points]
            place.errorbar(at, means, spread, label=system, color=colors(number), marker="o", capsize=3,
                           linewidth=2.6 if ours else 1.2, markersize=6 if ours else 4)  # fmt: skip
        place.set(title=name, xscale="log", xlabel="labelled examples", ylabel="accuracy")
        place.set_xticks(counts, [f"{count:,}" for count in counts])
        place.set_xticks([], minor=True)
        place.grid(axis="y", alpha=0.3)
        place.spines[["top", "right"]].set_visible(False)
    named = dict(pair[::-1] for place in places.flat for pair in zip(*place.get_legend_handles_labels(), strict=True))
    figure.legend(named.values(), named, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _examples(name: str, labelled: str) -> int:
    """Return how many labelled examples there are to learn and to choose from."""
    from keras_mlm.baselines.examples import tagged_examples, text_examples

    options = _reading(name, labelled)
    read = tagged_examples if options.pop("task", "texts") == "tags" else text_examples
    data, _, _ = read(dev=None, **options)
    return sum(len(data[part][0]) for part in ("train", "dev"))


if __name__ == "__main__":
    command_line.run(pretraining_pays)
