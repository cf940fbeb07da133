"""Pre-train a BERT on a prepared corpus: arguments ▶ library calls ▶ model.fit ▶ what was learned."""

from typing import Any, Literal

from keras_mlm import command_line

# A Keras epoch is only an interval of reporting here: the batches never end, and the budget stops the run.
STEPS_PER_EPOCH = 100
# Of a model that knows a language already: 2e-5 to 5e-5 are usual, and with more it forgets.
CONTINUED_RATE = 5e-5


def pretrain(
    *,
    data: str,
    output: str,
    init: str | None = None,
    preset: str = "mini",
    style: str = "classic",
    minutes: float | None = None,
    steps: int | None = None,
    length: int = 128,
    batch_size: int = 64,
    learning_rate: float | None = None,
    masking: Literal["token", "whole_word"] = "token",
    next_sentence: bool = True,
    seed: int = 0,
    deterministic: bool = False,
    strategy: Literal["default", "mirrored"] = "default",
) -> dict[str, Any]:
    """Pre-train a BERT on a prepared corpus. The same command again continues a run that was stopped.

    Args:
        data: Folder that prepare_corpus wrote.
        output: Model folder to write, such as saved_models/news.
        init: Go on from these weights instead of random ones: a model folder, hf:FOLDER (or a name on the hub),
            google:FOLDER or keras_hub:FOLDER. The size is then the model's, the rate by default 5e-5, and the data must
            be prepared with the same --init.
        preset: Size: tiny, mini, small, medium, base or large.
        style: classic (the paper) or short_budget (pre-norm, rotary positions: learns within minutes).
        minutes: Length of the training in minutes; give this or steps.
        steps: Length of the training in optimizer steps; give this or minutes.
        length: Tokens a row.
        batch_size: Rows a step, over all devices together.
        learning_rate: The highest rate; by default the style's.
        masking: What is masked together: token or whole_word.
        next_sentence: Whether to learn the next-sentence objective too; --next-sentence=false leaves it out.
        seed: Of everything random.
        deterministic: Whether a rerun gives the same bits; needs steps, and is slower.
        strategy: default (one device) or mirrored (all GPUs; without any, two logical CPU devices).

    Returns:
        The figures that metrics.json holds.
    """
    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.errors import InputError

    if learning_rate is None and init is not None:
        learning_rate = CONTINUED_RATE
    rate = {} if learning_rate is None else {"learning_rate": learning_rate}
    training = PretrainingConfig.from_style(
        style, length=length, batch_size=batch_size, masking=masking, next_sentence=next_sentence,
        steps=steps, minutes=minutes, seed=seed, deterministic=deterministic, **rate,
    )  # fmt: skip

    import keras
    import tensorflow as tf

    from keras_mlm.data.manifest import Manifest
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.model_folder import save_model
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
    from keras_mlm.training.distribution import strategy_from
    from keras_mlm.training.optimizers import adamw
    from keras_mlm.training.progress_line import ProgressLine
    from keras_mlm.training.run_folder import RunFolder
    from keras_mlm.training.training_budget import TrainingBudget
    from keras_mlm.training.training_checkpoint import TrainingCheckpoint

    devices = strategy_from(strategy, batch_size=batch_size)
    manifest = Manifest.load(data)
    config = BertConfig.from_preset(
        preset, style=style, vocabulary_size=manifest.vocabulary_size, next_sentence=next_sentence
    )
    initial = None
    if init is not None:
        from keras_mlm.interop.continued_pretraining import continued_model, weights_hash

        keras.utils.set_random_seed(seed)  # heads that the model does not have start anew, the same at each call
        initial = continued_model(init, WordPieceTokenizer.load(data), data, next_sentence=next_sentence)
        config = initial.config
    if length > config.max_sequence_length:
        raise InputError(f"rows of {length} tokens do not fit the model's {config.max_sequence_length} positions")
    corpus = {"vocabulary_hash": manifest.vocabulary_hash, "tokens": manifest.splits["training"].tokens}
    settings = {"model": config.to_dict(), "pretraining": training.to_dict(), "data": corpus}
    if initial is not None:
        settings["init"] = {"weights_hash": weights_hash(initial)}
    run = RunFolder(output)
    metrics = run.find(settings)
    if metrics is not None:
        print(f"{output} is finished. To train longer, choose another --output and more --minutes or --steps.")
        _print(metrics)
        return metrics

    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    rows = {
        "length": length, "batch_size": batch_size, "masking": masking, "next_sentence": next_sentence, "seed": seed,
        "mask_selection_rate": training.mask_selection_rate, "mask_selection_length": training.mask_selection_length,
    }  # fmt: skip
    dataset = PretrainingDataset(data, **rows)
    validation = PretrainingDataset(data, split="validation", **rows)
    run.begin(settings)

    with devices.scope():
        model = BertPretrainer(config, tokenizer=WordPieceTokenizer.load(data))
        if initial is not None:
            model.set_weights(initial.get_weights())
        # Without dropout, whose random numbers XLA draws slowly on a CPU, a compiled step is about a seventh faster.
        # Strategies of several replicas do not work with it.
        model.compile(optimizer=adamw(training), jit_compile=strategy == "default" and not config.dropout)

    budget = TrainingBudget(steps=steps, minutes=minutes, learning_rate=training.learning_rate, warmup=training.warmup)
    checkpoint = TrainingCheckpoint(run.checkpoints, budget, settings=settings)
    special = 3 if next_sentence else 2
    progress = ProgressLine(budget, tokens_per_step=batch_size * (dataset.tokens / dataset.rows + special))
    step = checkpoint.resume(model)
    start = f", from step {step:,}" if step else ""
    print(f"{model.count_params():,} parameters, {dataset.rows:,} rows an epoch{start}")
    if initial is not None and not step:
        print(f"before the first step, on {validation.rows:,} held-out rows:")
        _print(model.evaluate(validation.batches(), verbose=0, return_dict=True))
    if not budget.used_up:
        model.fit(
            dataset.batches(start_step=step),
            initial_epoch=step // STEPS_PER_EPOCH,
            epochs=10**9,
            steps_per_epoch=STEPS_PER_EPOCH,
            shuffle=False,  # the dataset has its own order
            verbose=0,
            callbacks=[budget, progress, keras.callbacks.TensorBoard(run.logs, write_graph=False), checkpoint],
        )

    print(f"evaluating on {validation.rows:,} held-out rows")
    metrics = {
        **model.evaluate(validation.batches(), verbose=0, return_dict=True),
        "steps": budget.step,
        "seconds": round(budget.seconds, 1),
        "tokens_per_second": round(progress.tokens_per_second, 1),
        "parameters": model.count_params(),
    }
    save_model(model, output, metrics=metrics)
    run.finish(metrics)
    _print(metrics)
    print(f"written to {output}; curves: tensorboard --logdir {run.logs}")
    print(f'next: python recipes/fill_mask.py --model {output} "Paris is the [MASK] of France ."')
    return metrics


def _print(metrics: dict[str, Any]) -> None:
    for name, value in metrics.items():
        print(f"  {name:<24} {value:>14,.4f}" if isinstance(value, float) else f"  {name:<24} {value:>14,}")


if __name__ == "__main__":
    command_line.run(pretrain)
