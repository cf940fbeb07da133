"""A model's masked-language-model figures on held-out rows, beside those of counting on the same masks."""

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.evaluation.yardsticks import Yardsticks

if TYPE_CHECKING:
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.models.bert_pretrainer import BertPretrainer


def evaluate_masked_lm(
    model: "BertPretrainer", dataset: "PretrainingDataset", yardsticks: Yardsticks | None = None
) -> dict[str, Any]:
    """Return how well a model fills the frozen masks of the validation rows, and how well counting does.

    The neighbour yardstick sees a token's two neighbours in the model's own input, random replacements included.
    Where a neighbour is a special token, be it [MASK], only the other one counts.

    Args:
        model: BertPretrainer with a tokenizer.
        dataset: PretrainingDataset of the split `"validation"`, made with the model's vocabulary.
        yardsticks: Yardsticks of the same corpus' training split, or `None` to leave them out. Defaults to `None`.

    Returns:
        A dict of plain figures: `masked_lm_loss` (nats a token, Σ w·loss / Σ w), `perplexity` (its exp),
        `masked_lm_accuracy`, `targets` (masked tokens), with next-sentence rows `next_sentence_loss` and
        `next_sentence_accuracy`, and with yardsticks `unigram_perplexity` and `neighbour_perplexity`.

    Raises:
        InputError: the records were made with another vocabulary than the model's, or hold no masked token.

    Example:
        ```python
        dataset = PretrainingDataset("data/news", split="validation")
        evaluate_masked_lm(model, dataset, Yardsticks.from_folder("data/news"))
        ```
    """
    check_vocabulary(model, dataset.manifest.vocabulary_hash)

    @tf.function(reduce_retracing=True)
    def losses(inputs: dict[str, tf.Tensor], labels: dict[str, tf.Tensor]) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        outputs = model(inputs, training=False)
        found = {}
        for name, wanted in labels.items():
            logits = tf.cast(outputs[name], tf.float32)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=logits)
            found[name] = loss, tf.argmax(logits, -1, output_type=tf.int32) == tf.cast(wanted, tf.int32)
        return found

    sums: dict[str, np.ndarray] = {}
    special = np.array(model.tokenizer.special_token_ids)
    for inputs, labels, weights in dataset.batches():
        labels = {name: value for name, value in labels.items() if name in weights}
        for name, (loss, correct) in losses(inputs, labels).items():
            weight = weights[name].numpy().astype("float64")
            _add(sums, name, [(weight * loss.numpy()).sum(), (weight * correct.numpy()).sum(), weight.sum()])
        if yardsticks is not None:
            left, targets, right, weight = _targets(
                inputs["token_ids"].numpy(),
                inputs["mask_positions"].numpy(),
                labels["masked_lm"].numpy(),
                weights["masked_lm"].numpy(),
                special,
            )
            unigram, neighbour = yardsticks.unigram_loss(targets), yardsticks.neighbour_loss(left, targets, right)
            _add(sums, "yardsticks", [(weight * unigram).sum(), (weight * neighbour).sum(), weight.sum()])
    if not sums or not sums["masked_lm"][2]:
        raise InputError("no masked token in the validation rows: prepare a corpus with more held-out text")

    loss, correct, total = sums["masked_lm"]
    figures: dict[str, Any] = {
        "masked_lm_loss": float(loss / total),
        "perplexity": float(np.exp(loss / total)),
        "masked_lm_accuracy": float(correct / total),
        "targets": int(total),
    }
    if "next_sentence" in sums and sums["next_sentence"][2]:
        loss, correct, total = sums["next_sentence"]
        figures |= {"next_sentence_loss": float(loss / total), "next_sentence_accuracy": float(correct / total)}
    if "yardsticks" in sums:
        unigram, neighbour, total = sums["yardsticks"]
        figures["unigram_perplexity"] = float(np.exp(unigram / total))
        figures["neighbour_perplexity"] = float(np.exp(neighbour / total))
    return figures


def check_vocabulary(model: "BertPretrainer", vocabulary_hash: str) -> None:
    """Raise `InputError` unless records of this vocabulary hash can be read by the model."""
    if model.tokenizer is None:
        raise InputError("the model has no tokenizer: load it with load_model, or set model.tokenizer")
    if model.tokenizer.vocabulary_hash != vocabulary_hash:
        raise InputError(
            f"the records were made with another vocabulary ({vocabulary_hash[:12]}…) than the model's "
            f"({model.tokenizer.vocabulary_hash[:12]}…): prepare the text with --vocabulary and the model's vocab.txt"
        )


def _add(sums: dict[str, np.ndarray], name: str, values: list[Any]) -> None:
    sums[name] = sums.get(name, np.zeros(3)) + np.array([float(value) for value in values])


def _targets(
    token_ids: np.ndarray, mask_positions: np.ndarray, labels: np.ndarray, weights: np.ndarray, special: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (left neighbour, target, right neighbour, weight) of every target; -1 for a special neighbour."""
    row, slot = np.nonzero(weights)
    position = mask_positions[row, slot]
    # No target is in the first column, which is [CLS]; the last one may have nothing after it.
    shown = np.pad(np.where(np.isin(token_ids, special), -1, token_ids), ((0, 0), (0, 1)), constant_values=-1)
    weight = weights[row, slot].astype("float64")
    return shown[row, position - 1], labels[row, slot], shown[row, position + 1], weight
