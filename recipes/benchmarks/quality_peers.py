"""What time_to_quality trains beside this package: Hugging Face's models in PyTorch, with what costs them least."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from step_peers import hugging_face_model

from keras_mlm.config import PRESETS
from keras_mlm.training.precision import cpu_has_bfloat16

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
WARM_UP = 0.1  # of the minutes


def trained_loss(
    cell: dict[str, Any], kind: str, folder: str, vocabulary_size: int, threads: int
) -> Callable[[], dict[str, Any]]:
    """Return a function that trains for the cell's minutes and returns the held-out loss, the steps and the size.

    Args:
        cell: preset, rate, rows a step, minutes and seed.
        kind: "modern", ModernBERT, or "masked", BERT.
        folder: of the arrays that time_to_quality wrote.
        vocabulary_size: tokens of the vocabulary.
        threads: of PyTorch.
    """
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(cell["seed"])
    layers, hidden, heads = PRESETS[cell["preset"]]
    shape = {"vocabulary_size": vocabulary_size, "num_layers": layers, "hidden_dim": hidden, "num_heads": heads}
    model = hugging_face_model(shape, kind, **({} if kind == "modern" else NO_DROPOUT))
    arrays = {
        part: {path.stem: np.load(path, mmap_mode="r") for path in Path(folder, part).glob("*.npy")}
        for part in ("training", "held_out")
    }
    bfloat16 = cpu_has_bfloat16()

    def loss_of(rows: dict[str, Any], padded: bool) -> Any:
        """Return Σ w·loss and Σ w; rows that are full need no mask, which costs least."""
        mask = rows["padding_mask"] if padded else None
        base = model.model if kind == "modern" else model.bert
        hidden = base(input_ids=rows["token_ids"], attention_mask=mask).last_hidden_state
        places = rows["mask_positions"] + hidden.shape[1] * torch.arange(len(hidden))[:, None]
        chosen = hidden.reshape(-1, hidden.shape[-1])[places.flatten()]
        logits = model.decoder(model.head(chosen)) if kind == "modern" else model.cls(chosen)
        losses = torch.nn.functional.cross_entropy(logits.float(), rows["mask_ids"].flatten(), reduction="none")
        weights = rows["mask_weights"].flatten().float()
        return (losses * weights).sum(), weights.sum()

    def rows_of(part: str, begin: int, size: int) -> dict[str, Any]:
        found = {}
        for name, values in arrays[part].items():
            some = np.array(values[begin : begin + size])
            found[name] = torch.from_numpy(some if some.dtype == bool else some.astype("int64"))
        return found

    def train() -> dict[str, Any]:
        compiled = torch.compile(loss_of)
        matrices = [one for one in model.parameters() if one.ndim > 1]
        others = [one for one in model.parameters() if one.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
            lr=0.0, betas=(0.9, 0.98), eps=1e-6, fused=True,
        )  # fmt: skip
        model.train()
        steps, size = 0, cell["batch_size"]

        def gradients(number: int) -> None:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                total, count = compiled(rows_of("training", number * size, size), False)
            (total / count).backward()

        gradients(0)  # what is compiled, forward and backward, before the clock starts
        gradients(0)
        begun, whole = time.monotonic(), 60.0 * cell["minutes"]
        while (share := (time.monotonic() - begun) / whole) < 1.0:
            if (steps + 1) * size > len(arrays["training"]["token_ids"]):
                raise RuntimeError("more steps than rows were written for: raise ROWS_A_MINUTE in time_to_quality.py")
            gradients(steps)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = cell["learning_rate"] * min(share / WARM_UP, (1.0 - share) / (1.0 - WARM_UP))
            optimizer.step()
            steps += 1
        model.eval()
        sums = np.zeros(2)
        with torch.inference_mode():
            for begin in range(0, len(arrays["held_out"]["token_ids"]), 64):
                sums += [float(value) for value in loss_of(rows_of("held_out", begin, 64), True)]
        parameters = sum(one.numel() for one in model.parameters())
        return {"masked_lm_loss": round(sums[0] / sums[1], 4), "steps": steps, "parameters": parameters}

    return train
