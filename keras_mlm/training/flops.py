"""How much arithmetic a training step is."""

from keras_mlm.config import BertConfig, PretrainingConfig


def flops_per_step(
    config: BertConfig, training: PretrainingConfig, every_position: bool = False, *, length: float | None = None
) -> float:
    """Return the multiplications and additions of the matrix products of one step, forward and backward.

    Args:
        config: `BertConfig`.
        training: `PretrainingConfig`, of which `length`, `batch_size` and the number of predictions are read.
        every_position: bool, whether the last block computes all positions, as other packages' do and distillation
            needs, not only those that are predicted. Defaults to `False`.
        length: float, the mean of the rows' lengths where they differ. Defaults to `None`, that of `training`.

    Returns:
        float; a backward pass counts twice a forward one.

    References:
        - [PaLM](https://arxiv.org/abs/2204.02311), appendix B: the share of the peak is counted this way
    """
    hidden, rows = config.hidden_dim, training.batch_size
    predictions: float = training.predictions
    if length is None:
        length = training.length
    else:
        predictions *= length / training.length
    keys_and_values = 4 * hidden**2
    # A gated feed-forward network has three products of two thirds the width: as many multiplications.
    rest = 2 * (2 * hidden**2 + 2 * hidden * config.intermediate_dim) + 4 * length * hidden
    last = length if every_position else predictions + config.next_sentence
    blocks = config.num_layers * length * keys_and_values + ((config.num_layers - 1) * length + last) * rest
    head = 2 * hidden * (config.vocabulary_size + hidden)
    return 3.0 * rows * (blocks + predictions * head)
