"""Distil a pre-trained BERT into a smaller one: arguments ▶ library calls ▶ model.fit ▶ what was learned."""

from pathlib import Path
from typing import Any, Literal

from pretrain import CURVE_STEPS, HELD_OUT_ROWS, HELD_OUT_STEPS, SAMPLES, in_numbers, table, train

from keras_mlm import command_line

# Steps between samples: held-out sentences with a mask, and what the student puts there.
SAMPLE_STEPS = 500


def distill(
    *,
    teacher: str,
    data: str,
    output: str,
    student: str = "half",
    minutes: float | None = None,
    steps: int | None = None,
    length: int = 128,
    batch_size: int = 64,
    learning_rate: float | None = None,
    masking: Literal["token", "whole_word", "span"] = "token",
    temperature: float = 2.0,
    hard_weight: float = 0.25,
    soft_weight: float = 0.625,
    hidden_weight: float = 0.125,
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32",
    micro_batches: int = 1,
    seed: int = 0,
    deterministic: bool = False,
    strategy: Literal["default", "mirrored", "multi_worker", "tpu"] = "default",
    checkpoint_minutes: float = 2.0,
    no_samples: bool = False,
) -> dict[str, Any]:
    """Train a small BERT on unlabelled text to answer as a large one does. The same command again continues.

    The student is built as its teacher, without next sentences, and learns from the masked words, from the teacher's
    probabilities for them, and from the teacher's hidden states. What is written is an ordinary pre-trained model: the
    next step is finetune_classifier.py or finetune_tagger.py, with --model OUTPUT.

    Args:
        teacher: Model folder of a pre-trained model; one of others comes in with convert.py.
        data: Folder that prepare_corpus wrote with the teacher's vocabulary (its --init TEACHER).
        output: Model folder to write, such as saved_models/small_news.
        student: Size: half (the teacher's width, every second of its layers), tiny, mini, small, medium, base or large.
            A student of the teacher's width starts from the teacher's embeddings and layers.
        minutes: Length of the training in minutes; give this or steps.
        steps: Length of the training in optimizer steps.
        length: Tokens a row, no more than the teacher takes.
        batch_size: Rows a step, over all devices together.
        learning_rate: The highest rate; by default that of the style that the teacher is of, 2e-3 or, of classic, 1e-4.
        masking: What is masked together: token, whole_word or span (runs of up to ten words).
        temperature: What softens both models' probabilities before they are compared.
        hard_weight: Weight of the masked words themselves; with the next two, DistilBERT's 2 : 5 : 1.
        soft_weight: Weight of the teacher's probabilities.
        hidden_weight: Weight of the teacher's hidden states.
        precision: Of both models' products: float32, mixed_bfloat16 (GPUs since 2020, TPUs) or mixed_float16 (older).
        micro_batches: Parts in which each device works through its rows, where they do not fit in memory at once.
        seed: Of everything random.
        deterministic: Whether a rerun gives the same bits; needs steps, and is slower.
        strategy: default (one device), mirrored (all GPUs), multi_worker (the same command on every machine that
            TF_CONFIG, Slurm or Kubernetes names) or tpu (untested).
        checkpoint_minutes: Minutes between checkpoints, which is what a crash costs at most; Ctrl-C writes one, too.
        no_samples: Keep no sentences of the corpus in run/.

    Returns:
        The figures that metrics.json holds, those of the teacher on the same rows among them.
    """
    from keras_mlm.errors import InputError

    if checkpoint_minutes <= 0:
        raise InputError("--checkpoint-minutes must be above 0")
    if Path(output).resolve() == Path(teacher).resolve():
        raise InputError(f"{output} is the teacher's own folder: choose another --output")

    import keras
    import tensorflow as tf

    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.manifest import Manifest
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.data.shard_digests import corpus_settings
    from keras_mlm.evaluation.cloze import cloze_questions
    from keras_mlm.evaluation.masked_lm_evaluation import evaluate_masked_lm
    from keras_mlm.interop.continued_pretraining import folds_alike
    from keras_mlm.model_folder import load_pretrainer, read_model_config, save_model
    from keras_mlm.models.bert_distiller import BertDistiller
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.models.student import start_from_teacher, starting_blocks, student_config, style_of
    from keras_mlm.models.weights_hash import weights_hash
    from keras_mlm.report.report_updates import ReportUpdates
    from keras_mlm.report.run_report import write_report
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
    from keras_mlm.training.distribution import strategy_from, worker_batches
    from keras_mlm.training.flops import flops_per_step
    from keras_mlm.training.held_out_curves import HeldOutCurves
    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.pace import peak_flops
    from keras_mlm.training.precision import compiles_step
    from keras_mlm.training.progress_line import ProgressLine
    from keras_mlm.training.run_folder import RunFolder
    from keras_mlm.training.training_budget import TrainingBudget
    from keras_mlm.training.training_checkpoint import TrainingCheckpoint
    from keras_mlm.training.training_curves import TrainingCurves
    from keras_mlm.training.training_samples import TrainingSamples
    from keras_mlm.training.workers import Workers

    # Who teaches, who learns, from what, and how.
    devices = strategy_from(strategy, batch_size=batch_size, micro_batches=micro_batches)
    workers = Workers(devices)
    say = print if workers.is_chief else (lambda text: None)
    manifest = Manifest.load(data)
    taught_by = BertConfig.from_dict(read_model_config(teacher)["model"])
    config = student_config(taught_by, student)
    training = PretrainingConfig.from_style(
        style_of(taught_by), length=length, batch_size=batch_size, masking=masking, minutes=minutes, steps=steps,
        seed=seed, deterministic=deterministic, precision=precision, micro_batches=micro_batches, next_sentence=False,
        **({} if learning_rate is None else {"learning_rate": learning_rate}),
    )  # fmt: skip
    if length > taught_by.max_sequence_length:
        raise InputError(f"rows of {length} tokens do not fit the teacher's {taught_by.max_sequence_length} positions")
    keras.config.set_dtype_policy(precision)
    with devices.scope():
        large = load_pretrainer(teacher)
    tokenizer = WordPieceTokenizer.load(data)
    if tokenizer.vocabulary != large.tokenizer.vocabulary or not folds_alike(tokenizer, large.tokenizer):
        raise InputError(
            f"{data} was prepared with another vocabulary, case or normalisation than {teacher} has: prepare it anew "
            f"with `python recipes/prepare_corpus.py --init {teacher} --text ... --output ...`"
        )
    losses = {"temperature": temperature, "hard_weight": hard_weight, "soft_weight": soft_weight,
              "hidden_weight": hidden_weight}  # fmt: skip
    settings = {
        "model": config.to_dict(), "pretraining": training.to_dict(), "data": corpus_settings(manifest, data),
        "distillation": {"teacher_weights_hash": weights_hash(large), **losses},
    }  # fmt: skip
    run = RunFolder(output)
    metrics = run.find(settings)
    if metrics is not None:
        say(f"{output} is finished. To train longer, choose another --output and more --minutes or --steps.")
        say(table(metrics))
        return metrics

    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    dataset = PretrainingDataset.from_config(data, training)
    validation = PretrainingDataset.from_config(data, training, "validation")
    with devices.scope():
        small = BertPretrainer(config, tokenizer=large.tokenizer)
        start_from_teacher(small, large)
        model = BertDistiller(small, large, **losses)
        model.compile(
            optimizer_from(training), micro_batches=micro_batches,
            jit_compile=compiles_step(precision, devices.num_replicas_in_sync),
        )  # fmt: skip
    if workers.is_chief:
        run.begin(settings)
        run.keep("data", in_numbers([data], dataset, {data: validation}))

    budget = TrainingBudget(
        steps=steps, minutes=minutes, learning_rate=training.learning_rate, warmup=training.warmup,
        schedule=training.schedule, workers=workers,
    )  # fmt: skip
    checkpoint = TrainingCheckpoint(run.checkpoints, budget, settings=settings, every_seconds=60 * checkpoint_minutes)
    tokens_per_step = batch_size * dataset.tokens_a_row
    # The teacher goes forward only, which is a third of a step.
    student_flops, teacher_flops = (flops_per_step(size, training, every_position=True) for size in (config, taught_by))
    products = student_flops + teacher_flops / 3
    peak = peak_flops(precision) * devices.num_replicas_in_sync / products
    progress = ProgressLine(budget, tokens_per_step, peak_steps_per_second=peak)
    watched = [progress, TrainingCurves(run.logs, budget, tokens_per_step, every_steps=CURVE_STEPS)]
    if workers.is_chief and not no_samples:
        questions = cloze_questions(
            large.tokenizer, data, sentences=SAMPLES, max_sequence_length=config.max_sequence_length
        )
        watched.append(TrainingSamples(run.samples, run.logs, budget, questions, every_steps=SAMPLE_STEPS))
    if workers.is_chief:
        watched.append(ReportUpdates(output, samples=not no_samples))
    with workers.together():
        place = checkpoint.resume(model)
        blocks = ", ".join(str(block + 1) for block in starting_blocks(config, taught_by))
        begun = f"step {budget.step:,}" if place else f"the teacher's layers {blocks}" if blocks else "random weights"
        sizes = [each.count_params() for each in (small, large)]
        say(f"{sizes[0]:,} parameters, the teacher's {sizes[1]:,}; {dataset.rows:,} rows an epoch; from {begun}")
        if sizes[0] >= sizes[1]:
            say("WARNING: the student is not smaller than its teacher: choose a smaller --student")
        held_out = {"steps": -(-validation.rows // batch_size), "verbose": 0, "return_dict": True}
        few = {**held_out, "steps": min(-(-HELD_OUT_ROWS // batch_size), held_out["steps"])}

        def measure() -> dict[str, float]:
            return model.evaluate(worker_batches(validation, devices), **few)

        held_out_curves = HeldOutCurves(run.logs, budget, measure, every_steps=HELD_OUT_STEPS)
        watched = [held_out_curves, *(watched if workers.is_chief else []), checkpoint]
        if not budget.used_up:
            train(model, worker_batches(dataset, devices, budget.place), budget, watched)
        say(f"evaluating student and teacher on {validation.rows:,} held-out rows")
        evaluated = model.evaluate(worker_batches(validation, devices), **held_out)
        of_teacher = evaluate_masked_lm(large, validation)
    metrics = {
        **evaluated,
        "teacher_perplexity": of_teacher["perplexity"],
        "teacher_masked_lm_accuracy": of_teacher["masked_lm_accuracy"],
        "teacher_parameters": sizes[1],
        "steps": budget.step,
        "seconds": round(budget.seconds, 1),
        "tokens_per_second": round(progress.tokens_per_second, 1),
        "parameters": sizes[0],
    }
    if workers.is_chief:
        save_model(small, output, metrics=metrics)
        run.finish(metrics)
        write_report(output, samples=not no_samples)
    workers.agree()  # none leaves before the model is written
    say(table(metrics))
    say(f"written to {output}; to look at: {output}/report.html; curves: tensorboard --logdir {run.logs}")
    say(f"next: python recipes/finetune_classifier.py --model {output} --train ... --output ...")
    return metrics


if __name__ == "__main__":
    command_line.run(distill)
