"""Details of the style modern, ModernBERT's and LTG-BERT's, one changed at a time: held-out loss, on a GPU."""

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any, Literal
from unittest import mock

import train_on_jax
from campaign import kept_rows, row_of, run_cells_side_by_side

from keras_mlm import command_line

SETTINGS = {"length": 128, "batch_size": 256, "precision": "mixed_bfloat16"}
EPOCHS = 4  # masked each in its own way


def modern_details(
    *,
    part: Literal["rows", "train", "table"],
    data: str = "data/wikinews",
    work: str = "saved_models/modern_details",
    results: str = "recipes/benchmarks/results/modern_details.json",
    preset: str = "mini",
    steps: int = 3000,
    seeds: list[int] | None = None,
    processes: int = 4,
    seconds: float = math.inf,
) -> None:
    """Train the style modern as it is and with one detail changed, and print the held-out losses.

    As in train_on_jax, *rows* is done with TensorFlow, *train* without it where a GPU is: cell by cell, those that
    stand in the results are not run again, the first seed of all comes before the second.

    Args:
        part: What to do; table prints what is there.
        data: Folder that prepare_corpus wrote.
        work: Folder for the rows.
        results: JSON file of finished cells; read, and written after every cell.
        preset: Size of the models.
        steps: Optimizer steps of each, of 256 rows of 128 tokens.
        seeds: Of the first weights; 0, 1 and 2 by default.
        processes: Cells at a time.
        seconds: After which no cell is begun.
    """
    cells = [
        {"detail": detail, "preset": preset, "steps": steps, "seed": seed}
        for seed in seeds or [0, 1, 2] for detail in DETAILS
    ]  # fmt: skip
    if part == "rows":
        write_rows(work, data, preset)
    elif part == "train":
        run_cells_side_by_side(cells, results, run_cell, work, processes, seconds, train_on_jax.without_tensorflow)
    print_table(cells, results)


def write_rows(work: str, data: str, preset: str) -> None:
    """Write the rows to train on, and those that are held out."""
    train_on_jax.write_rows(work, data, preset, "modern", EPOCHS, {**SETTINGS, "steps": 1 << 20})
    train_on_jax.write_held_out(work, data)


def run_cell(cell: dict[str, Any], work: str) -> dict[str, Any]:
    """Train and evaluate one model."""
    import keras

    config, training, _ = train_on_jax.read_job(work)
    change = DETAILS[cell["detail"]]
    config = dataclasses.replace(config, **change.model)
    training = dataclasses.replace(training, steps=cell["steps"], seed=cell["seed"], **change.training)
    with change.layers():
        model = train_on_jax.compiled_model(config, training)
        change.weights(model)
        found = train_on_jax.learned_figures(model, work, cell["steps"])
    keras.utils.clear_session()
    return {**cell, **found}


def print_table(cells: list[dict[str, Any]], results: str) -> None:
    """Print the mean of each detail over the seeds, and how far it is from the style as it is."""
    from keras_mlm.text_table import text_table

    rows = kept_rows(results)
    losses: dict[str, list[float]] = {}
    for cell in cells:
        row = row_of(cell, rows)
        losses.setdefault(cell["detail"], []).extend([row["loss"]] if row else [])
    before = losses[AS_IT_IS]
    lines = []
    for name, some in losses.items():
        apart = f"{statistics.mean(some) - statistics.mean(before):+.3f}" if some and before else ""
        mean = round(statistics.mean(some), 3) if some else "not run"
        lines.append([name, len(some), mean, round(statistics.stdev(some), 3) if len(some) > 1 else "", apart])
    print(text_table(["style modern", "seeds", "held-out loss", "deviation", "apart"], lines))


@dataclasses.dataclass(frozen=True)
class Detail:
    """What is changed: entries of the two configs, the code of layers, the first weights."""

    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    layers: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    weights: Callable[[Any], None] = lambda model: None


@contextlib.contextmanager
def scaled_sinusoids() -> Iterator[None]:
    """Put sines and cosines of the position, times a learned number, in the place of learned positions."""
    import keras
    from keras import ops

    from keras_mlm.layers.modeling.bert_embeddings import BertEmbeddings

    class ScaledSinusoids(keras.layers.Layer):  # type: ignore[misc]
        def build(self, input_shape: Any) -> None:
            first = keras.initializers.Constant(self.width**-0.5)
            self.gamma = self.add_weight(shape=(), initializer=first, name="gamma")
            self.built = True

        def call(self, positions: Any) -> Any:
            exponents = ops.arange(0, self.width, 2, dtype="float32") / self.width
            angles = ops.cast(positions, "float32")[..., None] * 10_000.0**-exponents
            return self.gamma * ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    learned = BertEmbeddings._embedding

    def embedding(self: Any, size: int, name: str) -> Any:
        if name != "position_embedding":
            return learned(self, size, name)
        layer = ScaledSinusoids(name=name, dtype=self.variable_dtype)
        layer.width = self.hidden_dim
        return layer

    with mock.patch.object(BertEmbeddings, "_embedding", embedding):
        yield


@contextlib.contextmanager
def norms_after() -> Iterator[None]:
    """Normalise what attention returns, and, without weights, what is inside the feed-forward network."""
    import keras
    from keras import ops

    from keras_mlm.layers.modeling import encoder_block
    from keras_mlm.layers.modeling.gelu import activated
    from keras_mlm.layers.modeling.layer_norm import normalised

    class NormedAttention(encoder_block.MultiHeadAttention):  # type: ignore[misc]
        def build(self, hidden_states_shape: Any) -> None:
            self.norm = keras.layers.LayerNormalization(epsilon=1e-6, center=False, name="norm")
            self.norm.build(hidden_states_shape)
            super().build(hidden_states_shape)

        def call(
            self, hidden_states: Any, padding_mask: Any = None, attention_mask: Any = None,
            query_positions: Any = None, return_attention_scores: bool = False, training: bool | None = None,
        ) -> Any:  # fmt: skip
            masks = (padding_mask, attention_mask, query_positions, return_attention_scores, training)
            return normalised(super().call(hidden_states, *masks), self.norm)

    def normalised_inside(x: Any, *arguments: Any, **options: Any) -> Any:
        inside = ops.cast(activated(x, *arguments, **options), "float32")
        centred = inside - ops.mean(inside, -1, keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(centred), -1, keepdims=True) + 1e-6)
        return ops.cast(centred / deviation, x.dtype)

    with (
        mock.patch.object(encoder_block, "MultiHeadAttention", NormedAttention),
        mock.patch.object(encoder_block, "activated", normalised_inside),
    ):
        yield


@contextlib.contextmanager
def first_norm_left_out() -> Iterator[None]:
    """Take the first block's states into its attention as they are: the embeddings are normalised already."""
    from keras_mlm.layers.modeling import encoder_block
    from keras_mlm.layers.modeling.layer_norm import normalised

    def unless_left_out(x: Any, norm: Any) -> Any:
        return x if getattr(norm, "left_out", False) else normalised(x, norm)

    with mock.patch.object(encoder_block, "normalised", unless_left_out):
        yield


def mark_first_norm(model: Any) -> None:
    """Say which norm is left out."""
    model.backbone.encoder_blocks[0].attention_norm.left_out = True


def scale_weights(model: Any) -> None:
    """Give weights the deviation √(2 / (5 · width)), in feed-forward networks smaller from block to block."""
    deviation = math.sqrt(2 / (5 * model.config.hidden_dim))
    for weight in model.trainable_variables:
        if len(weight.shape) == 2:
            weight.assign(weight * (deviation / model.config.initializer_range))
    for number, block in enumerate(model.backbone.encoder_blocks):
        for dense in (block.intermediate_dense, block.output_dense):
            dense.kernel.assign(dense.kernel / math.sqrt(2 * (number + 1)))


AS_IT_IS = "as it is"
DETAILS = {
    AS_IT_IS: Detail(),
    "scaled sinusoids": Detail({"position": "learned"}, layers=scaled_sinusoids),
    "learned positions": Detail({"position": "learned"}),
    "norms after attention and inside": Detail(layers=norms_after),
    "first norm left out": Detail(layers=first_norm_left_out, weights=mark_first_norm),
    "deviations by width and depth": Detail(weights=scale_weights),
    "cosine, warm-up 1.6 %": Detail(training={"schedule": "cosine", "warmup": 0.016}),
    "one cycle": Detail(training={"schedule": "one_cycle"}),
    "decay 0.1, norm clipped at 2": Detail(training={"weight_decay": 0.1, "clip_norm": 2.0}),
    "LAMB, rate 1e-2": Detail(training={"optimizer": "lamb", "learning_rate": 1e-2}),
    "dropout 0.1": Detail({"dropout": 0.1}),
    "not gated": Detail({"gated": False}),
}

if __name__ == "__main__":
    command_line.run(modern_details, backend=train_on_jax.backend_asked())
