"""Fill the [MASK]s of some texts with a trained model."""

from keras_mlm import command_line
from keras_mlm.errors import InputError


def fill_mask(*texts: str, model: str, top_k: int = 5) -> None:
    """Print the most probable tokens for every [MASK] of every text, with their probabilities.

    Args:
        texts: texts with at least one [MASK] each, such as "Paris is the [MASK] of France ."
        model: model folder, as recipes/pretrain.py writes it.
        top_k: candidates a mask.
    """
    if not texts:
        raise InputError('give a text with a [MASK], such as "Paris is the [MASK] of France ."')

    from keras_mlm.model_folder import load_pretrainer
    from keras_mlm.text_table import text_table

    answers = load_pretrainer(model).fill_mask(texts, top_k=top_k)
    for text, masks in zip(texts, answers, strict=True):
        print(text)
        header = ["", *(f"mask {number}" if len(masks) > 1 else "token" for number in range(1, len(masks) + 1))]
        rows = []
        for rank in range(top_k):
            candidates = [mask[rank] for mask in masks]
            rows.append([rank + 1, *(f"{candidate.score:6.1%}  {candidate.token}" for candidate in candidates)])
        print(text_table(header, rows), end="\n\n")


if __name__ == "__main__":
    command_line.run(fill_mask)
