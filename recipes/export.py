"""Export a trained model for serving."""

from keras_mlm import command_line


def export(*, model: str, length: int = 128, top_k: int = 5, mask_slots: int = 8, version: int | None = None) -> str:
    """Write a SavedModel that takes raw strings, as a numbered folder inside the model folder.

    Point TF Serving at the model folder: it serves the highest number. An existing number is never overwritten.

    Args:
        model: model folder, as recipes/pretrain.py writes it.
        length: tokens of the longest text that is not cut.
        top_k: candidates a mask.
        mask_slots: masks a text that are filled.
        version: number of the folder; by default the next free one.
    """
    from keras_mlm.export.saved_model import export_saved_model
    from keras_mlm.model_folder import load_model

    bert = load_model(model)
    path = export_saved_model(
        bert,
        model,
        length=min(length, bert.config.max_sequence_length),
        top_k=top_k,
        mask_slots=mask_slots,
        version=version,
    )
    print(path)
    return path


if __name__ == "__main__":
    command_line.run(export)
