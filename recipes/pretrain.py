"""Pre-train a BERT on a prepared corpus: arguments ▶ library calls ▶ model.fit ▶ what was learned."""

import dataclasses
from typing import Any, Literal

from keras_mlm import command_line

# A Keras epoch is only an interval of reporting here: the batches never end, and the budget stops the run.
STEPS_PER_EPOCH = 100
SAMPLES = 8  # masked sentences that are filled again and again
# Steps between points of the curves and between those of held-out rows, and of how many such rows one is the mean.
CURVE_STEPS, HELD_OUT_STEPS, HELD_OUT_ROWS = 20, 300, 256
CONTINUED_RATE = 5e-5  # of a model that knows a language already, which forgets with more


def pretrain(
    *,
    data: list[str],
    output: str,
    init: str | None = None,
    preset: str = "mini",
    style: str = "classic",
    minutes: float | None = None,
    hours: float | None = None,
    steps: int | None = None,
    length: int = 128,
    final_length: int | None = None,
    length_buckets: int = 1,
    batch_size: int = 64,
    learning_rate: float | None = None,
    masking: Literal["token", "whole_word", "span"] = "token",
    mask_selection_rate: float | None = None,
    final_mask_selection_rate: float | None = None,
    replacements: Literal["uniform", "unigram"] = "uniform",
    content_word_weight: float = 1.0,
    adaptive_masking: bool = False,
    next_sentence: bool | None = None,
    sentence_pairs: Literal["next", "order"] = "next",
    optimizer: Literal["adamw", "adamw_original", "lamb"] | None = None,
    schedule: Literal["linear", "cosine", "one_cycle", "warmup_stable_decay"] | None = None,
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto",
    micro_batches: int = 1,
    recompute: bool = False,
    seed: int = 0,
    deterministic: bool = False,
    strategy: Literal["default", "mirrored", "multi_worker", "tpu"] = "default",
    checkpoint_minutes: float = 2.0,
    samples_every: int = 500,
    no_samples: bool = False,
    plan: bool = False,
) -> dict[str, Any]:
    """Pre-train a BERT on a prepared corpus. The same command again continues a run that was stopped.

    Args:
        data: Folder that prepare_corpus wrote; or several of one vocabulary, each with its share of every batch, in
            relation to the others: news:0.7 law:0.3.
        output: Model folder to write, such as saved_models/news.
        init: Go on from these weights instead of random ones: a model folder, hf:FOLDER (or a name on the hub),
            google:FOLDER or keras_hub:FOLDER. The size is then the model's, the rate by default 5e-5, and the data must
            be prepared with the same --init.
        preset: Size: tiny, mini, small, medium, base or large; auto measures for half a minute and picks size, batch
            and rate for the budget.
        style: classic (the paper), short_budget (pre-norm, rotary positions: learns within minutes) or modern (that,
            and gated feed-forward layers, no biases, 30 % masks, no next sentences, several texts packed into a row).
        minutes: Length of the training in minutes; give this, hours or steps.
        hours: The same in hours.
        steps: Length of the training in optimizer steps.
        length: Tokens a row.
        final_length: Tokens a row in the last tenth, such as 512, with as many fewer rows a step; by default length.
        length_buckets: Steps of rows of similar length, so many lengths, such as 4: little padding, and never packed.
        batch_size: Rows a step, over all devices together.
        learning_rate: The highest rate; by default the style's.
        masking: What is masked together: token, whole_word or span (runs of up to ten words).
        mask_selection_rate: Share of the tokens to predict, such as 0.3; by default the style's.
        final_mask_selection_rate: The share at the end of the run, such as 0.15, to which it goes evenly; needs steps.
        replacements: How the tokens are drawn that stand in for a tenth of the masks: uniform, or unigram (as often as
            they occur in the corpus).
        content_word_weight: How many times as often nouns, verbs, adjectives, adverbs and numbers are masked as other
            words; more than 1 needs data prepared with --annotator.
        adaptive_masking: Whether to mask more often what the model finds hard, by its accuracy on each token, renewed
            every 200 steps; the share of masks stays.
        next_sentence: Whether to learn the next-sentence objective too; by default as the style says,
            --next-sentence=false leaves it out.
        sentence_pairs: What it tells apart: next, whether B follows A or is from another document, or order, whether B
            follows A or A follows B.
        optimizer: adamw, adamw_original (no bias correction) or lamb (very large batches); by default the style's.
        schedule: How the rate falls after the warm-up: linear, cosine, one_cycle or warmup_stable_decay; by default the
            style's.
        precision: float32, mixed_bfloat16 or mixed_float16 products; auto: mixed_bfloat16 on one CPU that has it.
        micro_batches: Parts in which each device works through its rows, where they do not fit in memory at once.
        recompute: Whether to save memory by computing the activations again in the backward pass.
        seed: Of everything random.
        deterministic: Whether a rerun gives the same bits; needs steps, and is slower.
        strategy: default (one device), mirrored (all GPUs; without any, two logical CPU devices), multi_worker (the
            same command on every machine that TF_CONFIG, Slurm or Kubernetes names) or tpu (untested).
        checkpoint_minutes: Minutes between checkpoints, which is what a crash costs at most; Ctrl-C writes one, too.
        samples_every: Steps between samples: held-out sentences with a mask, and what the model puts there, in
            run/samples.jsonl and in TensorBoard.
        no_samples: Keep no sentences of the corpus in run/.
        plan: Print what the budget buys (tokens, epochs, the hour it ends) after half a minute of measuring, and end.

    Returns:
        The figures that metrics.json holds.
    """
    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.corpus_arguments import corpus_names, folders_and_weights
    from keras_mlm.errors import InputError

    folders, corpus_weights = folders_and_weights([data] if isinstance(data, str) else data)
    names, first = corpus_names(folders), folders[0]
    if hours is not None and minutes is not None:
        raise InputError("give --minutes or --hours, not both")
    if checkpoint_minutes <= 0 or samples_every < 1:
        name = "--checkpoint-minutes" if checkpoint_minutes <= 0 else "--samples-every"
        raise InputError(f"{name} must be above 0; to keep no samples, --no-samples")
    learning_rate = CONTINUED_RATE if learning_rate is None and init is not None else learning_rate
    chosen = {"learning_rate": learning_rate, "next_sentence": next_sentence, "optimizer": optimizer,
              "schedule": schedule, "mask_selection_rate": mask_selection_rate}  # fmt: skip
    training = PretrainingConfig.from_style(
        style, length=length, final_length=final_length, batch_size=batch_size, masking=masking, steps=steps,
        minutes=60 * hours if hours is not None else minutes, seed=seed, deterministic=deterministic,
        precision="float32" if precision == "auto" else precision, micro_batches=micro_batches, recompute=recompute,
        replacements=replacements, final_mask_selection_rate=final_mask_selection_rate, sentence_pairs=sentence_pairs,
        content_word_weight=content_word_weight, adaptive_masking=adaptive_masking, length_buckets=length_buckets,
        corpus_weights=corpus_weights, **{name: value for name, value in chosen.items() if value is not None},
    )  # fmt: skip

    import keras
    import tensorflow as tf

    from keras_mlm.data.corpora import mixed_figures, training_rows
    from keras_mlm.data.manifest import Manifest
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.data.token_weights import TokenWeights
    from keras_mlm.evaluation.cloze import cloze_questions, example_to_type
    from keras_mlm.model_folder import save_model
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.report.report_updates import ReportUpdates
    from keras_mlm.report.run_report import write_report
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
    from keras_mlm.training.adaptive_masking import AdaptiveMasking
    from keras_mlm.training.distribution import strategy_from, worker_batches
    from keras_mlm.training.flops import flops_per_step
    from keras_mlm.training.held_out_curves import HeldOutCurves
    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.pace import peak_flops
    from keras_mlm.training.plan import Plan, fitted_to_budget
    from keras_mlm.training.precision import compiles_step, fastest_precision
    from keras_mlm.training.progress_line import ProgressLine
    from keras_mlm.training.run_folder import RunFolder
    from keras_mlm.training.training_budget import TrainingBudget
    from keras_mlm.training.training_checkpoint import TrainingCheckpoint
    from keras_mlm.training.training_curves import TrainingCurves
    from keras_mlm.training.training_samples import TrainingSamples
    from keras_mlm.training.workers import Workers

    devices = strategy_from(strategy, batch_size=training.stages[-1].batch_size, micro_batches=micro_batches)
    workers = Workers(devices)
    say = print if workers.is_chief else (lambda text: None)
    manifest = Manifest.load(first)
    run = RunFolder(output)
    if precision == "auto":
        training = dataclasses.replace(training, precision=fastest_precision(strategy, run.settings()))
    keras.config.set_dtype_policy(training.precision)
    automatic = preset == "auto"
    if automatic:
        if strategy != "default" or init is not None:
            raise InputError(
                "--preset auto measures one device and starts anew: give the size with --strategy or --init"
            )
        before = run.settings().get("automatic")
        if before is None:
            print("measuring the pace of two small sizes, to choose the one that suits the budget: about half a minute")
        rows = training_rows(folders, training)
        preset, training = fitted_to_budget(training, style, rows, learning_rate=learning_rate, before=before)
        found = f"--batch-size {training.batch_size} --learning-rate {training.learning_rate:g}"
        print(f"chosen: --preset {preset} {found}")
    config = BertConfig.from_preset(
        preset, style=style, vocabulary_size=manifest.vocabulary_size, next_sentence=training.next_sentence
    )
    initial = None
    if init is not None:
        from keras_mlm.interop.continued_pretraining import continued_model
        from keras_mlm.models.weights_hash import weights_hash

        keras.utils.set_random_seed(seed)  # heads that the model does not have start anew, the same at each call
        initial = continued_model(init, WordPieceTokenizer.load(first), first, next_sentence=training.next_sentence)
        config = initial.config
    stages = training.stages
    if stages[-1].length > config.max_sequence_length:
        most = config.max_sequence_length
        raise InputError(f"rows of {stages[-1].length} tokens do not fit the model's {most} positions")
    settings = {"model": config.to_dict(), "pretraining": training.to_dict(), "data": run_data(folders, names)}
    if initial is not None:
        settings["init"] = {"weights_hash": weights_hash(initial)}
    if automatic:
        settings["automatic"] = [preset, training.batch_size, training.learning_rate]
    metrics = None if plan else run.find(settings)
    if metrics is not None:
        say(f"{output} is finished. To train longer, choose another --output and more --minutes or --steps.")
        say(table(metrics))
        return metrics

    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    token_weights = TokenWeights(manifest.vocabulary_size) if adaptive_masking else None
    datasets = [training_rows(folders, stage, token_weights=token_weights) for stage in stages]
    held_out = {
        name: PretrainingDataset.from_config(folder, training, "validation")
        for name, folder in zip(names, folders, strict=True)
    }
    if plan:
        what = init or f"preset {preset}, style {style}"
        say(f"{what}: {training.batch_size} rows of {length} tokens a step, rate up to {training.learning_rate:g}")
        say("measuring the pace, some seconds")
        say(Plan.measure(config, training, datasets, devices))
        return {}
    if workers.is_chief:
        run.begin(settings)

    with devices.scope():
        model = BertPretrainer(config, tokenizer=WordPieceTokenizer.load(first))
        if initial is not None:
            model.set_weights(initial.get_weights())
        model.compile(
            optimizer=optimizer_from(training), micro_batches=micro_batches, recompute=recompute,
            jit_compile=compiles_step(training.precision, devices.num_replicas_in_sync),
        )  # fmt: skip

    budget = TrainingBudget(
        steps=steps, minutes=training.minutes, learning_rate=training.learning_rate, warmup=training.warmup,
        schedule=training.schedule, stage_ends=training.stage_ends, workers=workers,
    )  # fmt: skip
    adaptive = [] if token_weights is None else [AdaptiveMasking(model, token_weights, budget)]
    checkpoint = TrainingCheckpoint(
        run.checkpoints, budget, settings=settings, every_seconds=60 * checkpoint_minutes,
        more=[variable for callback in adaptive for variable in callback.variables],
    )  # fmt: skip
    tokens_per_step = [stage.batch_size * rows.tokens_a_row for stage, rows in zip(stages, datasets, strict=True)]
    peak = peak_flops(training.precision) * devices.num_replicas_in_sync
    progress = ProgressLine(budget, tokens_per_step[-1])
    curves = TrainingCurves(run.logs, budget, tokens_per_step[-1], every_steps=CURVE_STEPS)
    watched = [progress, curves]
    if workers.is_chief and not no_samples:
        positions = config.max_sequence_length
        questions = cloze_questions(model.tokenizer, first, sentences=SAMPLES, max_sequence_length=positions)
        watched.append(TrainingSamples(run.samples, run.logs, budget, questions, every_steps=samples_every))
    if workers.is_chief:
        run.keep("data", in_numbers(names, datasets[0], held_out))
        watched.append(ReportUpdates(output, samples=not no_samples))
    with workers.together():
        place = checkpoint.resume(model)
        start = f", from step {budget.step:,}" if place else ""
        epoch = datasets[budget.stage].rows
        say(f"{model.count_params():,} parameters, {training.precision}, {epoch:,} rows an epoch{start}")

        def measure(most: int | None = None) -> dict[str, float]:
            figures = {}
            for name, rows in held_out.items():
                steps = -(-min(rows.rows, most or rows.rows) // training.batch_size)
                batches = worker_batches(rows, devices)
                figures[name] = model.evaluate(batches, steps=steps, verbose=0, return_dict=True)
            return mixed_figures(figures, corpus_weights)

        def glance() -> dict[str, float]:
            return measure(-(-HELD_OUT_ROWS // len(held_out)))

        held_out_rows = sum(rows.rows for rows in held_out.values())
        held_out_curves = HeldOutCurves(run.logs, budget, glance, every_steps=HELD_OUT_STEPS)
        watched = [*adaptive, held_out_curves, *(watched if workers.is_chief else []), checkpoint]
        if initial is not None and not place:
            say(f"before the first step, on {held_out_rows:,} held-out rows:")
            say(table(measure()))
        while not budget.used_up:
            stage, rows = budget.stage, datasets[budget.stage]
            if stage:
                say(f"rows of {stages[stage].length} tokens from step {budget.step:,} on")
            progress.tokens_per_step = curves.tokens_per_step = tokens_per_step[stage]
            progress.peak_steps_per_second = peak / flops_per_step(config, stages[stage], length=rows.padded_length)
            model.train_function = None  # rows of another length are traced anew, as after a restart: the same bits
            train(model, worker_batches(rows, devices, budget.place), budget, watched)
        say(f"evaluating on {held_out_rows:,} held-out rows")
        evaluated = measure()
    metrics = {
        **evaluated,
        "steps": budget.step,
        "seconds": round(budget.seconds, 1),
        "tokens_per_second": round(progress.tokens_per_second, 1),
        "parameters": model.count_params(),
    }
    if workers.is_chief:
        save_model(model, output, metrics=metrics)
        run.finish(metrics)
        write_report(output, samples=not no_samples)
    workers.agree()  # none leaves before the model is written
    say(table(metrics))
    say(f"written to {output}; to look at: {output}/report.html; curves: tensorboard --logdir {run.logs}")
    say(f'next: python recipes/fill_mask.py --model {output} "{example_to_type(model.tokenizer, first)}"')
    return metrics


def train(model: Any, batches: Any, budget: Any, watched: list[Any]) -> None:
    """Fit a model to batches from the budget's step on, until it is used up or a stage of it ends."""
    model.fit(
        batches,
        initial_epoch=budget.step // STEPS_PER_EPOCH,
        epochs=10**9,
        steps_per_epoch=STEPS_PER_EPOCH,
        shuffle=False,  # the dataset has its own order
        verbose=0,
        callbacks=[budget, *watched],
    )


def run_data(folders: list[str], names: list[str]) -> dict[str, Any]:
    """Return what a run keeps of its corpora."""
    from keras_mlm.data.manifest import Manifest
    from keras_mlm.data.shard_digests import corpus_settings

    every = [corpus_settings(Manifest.load(folder), folder) for folder in folders]
    if len(every) == 1:
        return every[0]
    shards = {f"{name}/{file}": digest for name, one in zip(names, every, strict=True)
              for file, digest in one["shards"].items()}  # fmt: skip
    return {**every[0], "corpora": names, "tokens": sum(one["tokens"] for one in every), "shards": shards}


def in_numbers(names: list[str], dataset: Any, held_out: dict[str, Any]) -> dict[str, Any]:
    """Return what is learned from, and measured on, in numbers."""
    numbers = {}
    training = dict(zip(names, getattr(dataset, "corpora", [dataset]), strict=True))
    for kind, parts in (("training", training), ("held-out", held_out)):
        for name, rows in parts.items():
            split = rows.manifest.splits[rows.split]
            numbers[kind if len(parts) == 1 else f"{kind}, {name}"] = {
                "documents": split.documents, "sentences": split.sentences, "tokens": split.tokens,
                "rows an epoch": rows.rows, "tokens a row": rows.tokens_a_row,
            }  # fmt: skip
    return numbers


def table(metrics: dict[str, Any]) -> str:
    """Return figures, one a line."""
    rows = ((name, f"{value:,.4f}" if isinstance(value, float) else f"{value:,}") for name, value in metrics.items())
    return "\n".join(f"  {name:<24} {value:>14}" for name, value in rows)


if __name__ == "__main__":
    command_line.run(pretrain)
