"""How much arithmetic a training step is."""

from keras_mlm.config import BertConfig, PretrainingConfig


def flops_per_step(config: BertConfig, training: PretrainingConfig) -> float:
    """Return the multiplications and additions of the matrix products of one step, forward and backward.

    Args:
        config: `BertConfig`.
        training: `PretrainingConfig`, of which `length`, `batch_size` and the number of predictions are read.

    Returns:
        float; a backward pass counts twice a forward one.

    References:
        - [PaLM](https://arxiv.org/abs/2204.02311), appendix B: the share of the peak is counted this way
    """
    hidden, length, rows = config.hidden_dim, training.length, training.batch_size
    # A gated feed-forward network has three products of two thirds the width: as many multiplications.
    block = 2 * (4 * hidden**2 + 2 * hidden * config.intermediate_dim) + 4 * length * hidden
    head = 2 * hidden * (config.vocabulary_size + hidden)
    return 3.0 * rows * (length * config.num_layers * block + training.predictions * head)
