"""Export a trained model for servers, phones and onnxruntime."""

from keras_mlm import command_line
from keras_mlm.errors import InputError

FORMATS = ("saved_model", "tflite", "onnx")


def export(
    *,
    model: str,
    output: str | None = None,
    formats: list[str] | None = None,
    length: int | None = None,
    top_k: int = 5,
    mask_slots: int = 8,
    word_slots: int | None = None,
    version: int | None = None,
) -> list[str]:
    """Write a SavedModel that takes raw strings, TFLite files and ONNX files, each as a numbered folder.

    Pre-trained models fill masks and embed; classifiers tell classes, by the rule for long texts that they were
    fine-tuned with; taggers tag words and say where they stand. The SavedModel is OUTPUT/NUMBER, where TF Serving looks
    for it, its settings OUTPUT/serving; the others are OUTPUT/tflite/NUMBER and OUTPUT/onnx/NUMBER. An existing number
    is never overwritten. A README.md in each says how to ask it.

    Args:
        model: model folder, as recipes/pretrain.py or a fine-tuning recipe writes it.
        output: folder of the numbered folders; by default the model folder.
        formats: saved_model, tflite, onnx, one or several, with commas or spaces between; by default saved_model.
        length: tokens of a row; by default those of the fine-tuning, of a pre-trained model 128.
        top_k: candidates a mask, of a pre-trained model.
        mask_slots: masks a text that are filled, of a pre-trained model.
        word_slots: words a text that a tagger tags; by default twice the tokens of a row.
        version: number of the folders; by default the next that is free in all of them.
    """
    wanted = [name for entry in formats or ["saved_model"] for name in entry.split(",") if name]
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise InputError(f"unknown format {', '.join(unknown) or repr('')}: known are {', '.join(FORMATS)}")

    from keras_mlm.export.export_options import ExportOptions
    from keras_mlm.export.onnx import export_onnx
    from keras_mlm.export.saved_model import export_saved_model
    from keras_mlm.export.tflite import export_tflite
    from keras_mlm.export.version_folder import next_version, numbered
    from keras_mlm.model_folder import load_model

    bert = load_model(model)
    output = output or model
    homes = {"saved_model": output, "tflite": f"{output}/tflite", "onnx": f"{output}/onnx"}
    version = next_version(*(homes[name] for name in wanted)) if version is None else version
    for name in wanted:
        numbered(homes[name], version)  # none is written where one exists
    writers = {"saved_model": export_saved_model, "tflite": export_tflite, "onnx": export_onnx}
    options = ExportOptions(length, top_k, mask_slots, word_slots, version, model)
    paths = []
    for name in dict.fromkeys(wanted):
        path = writers[name](bert, output, options)
        print(path, flush=True)
        paths.append(path)
    return paths


if __name__ == "__main__":
    command_line.run(export)
