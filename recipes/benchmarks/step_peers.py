"""What the benchmarks of a training step share: random rows, and Hugging Face's models of the same shape."""

from typing import Any


def random_batch(shape: dict[str, Any]) -> dict[str, Any]:
    """One batch of random ids; as many steps are taken on it as wanted, since no value decides the speed."""
    import numpy as np

    random = np.random.default_rng(0)
    size = (shape["batch_size"], shape["length"])
    places = [np.sort(random.permutation(shape["length"])[: shape["predictions"]]) for _ in range(size[0])]
    positions = np.array(places, "int32")
    ids = random.integers(min(200, shape["vocabulary_size"] // 2), shape["vocabulary_size"], size).astype("int32")
    return {"token_ids": ids, "mask_positions": positions, "mask_ids": np.take_along_axis(ids, positions, 1)}


def keras_inputs(batch: dict[str, Any]) -> dict[str, Any]:
    """What Keras models take of such a batch, none of it padding."""
    import numpy as np

    ids = batch["token_ids"]
    inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "mask_positions": batch["mask_positions"]}
    return {**inputs, "padding_mask": np.ones(ids.shape, bool)}


def hugging_face_model(shape: dict[str, Any], kind: str, **rates: float) -> Any:
    """ModernBERT with sparse prediction, for the kind "modern", or BERT, with dropout rates in place of its own."""
    from transformers import BertConfig, BertForMaskedLM, ModernBertConfig, ModernBertForMaskedLM

    size = {
        "vocab_size": shape["vocabulary_size"], "hidden_size": shape["hidden_dim"],
        "num_hidden_layers": shape["num_layers"], "num_attention_heads": shape["num_heads"],
        "intermediate_size": 4 * shape["hidden_dim"], "attn_implementation": "sdpa",
    }  # fmt: skip
    if kind != "modern":
        return BertForMaskedLM(BertConfig(**size, **rates))
    # Two thirds of the width, as its feed-forward layer is gated: as many multiplications.
    size["intermediate_size"] = 8 * shape["hidden_dim"] // 3
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0)
    return ModernBertForMaskedLM(ModernBertConfig(**size, **special, sparse_prediction=True))
