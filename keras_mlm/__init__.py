"""From a folder of text to a served, domain-specific BERT, on Keras and TensorFlow.

Every public name, loaded when it is first used: `import keras_mlm` alone loads neither Keras nor TensorFlow.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    # === Configs and errors ===
    "BertConfig": "keras_mlm.config",
    "PretrainingConfig": "keras_mlm.config",
    "InputError": "keras_mlm.errors",
    "Interrupted": "keras_mlm.errors",
    "RunError": "keras_mlm.errors",
    # === Text ===
    "Annotator": "keras_mlm.tokenizers.annotator",
    "WordPieceTokenizer": "keras_mlm.tokenizers.word_piece_tokenizer",
    "learn_vocabulary": "keras_mlm.tokenizers.learn_vocabulary",
    "train_vocabulary": "keras_mlm.data.train_vocabulary",
    "prepare_corpus": "keras_mlm.data.prepare_corpus",
    "read_documents": "keras_mlm.data.documents",
    "read_docstrings": "keras_mlm.data.docstrings",
    "Cleaning": "keras_mlm.data.cleaning.cleaning",
    "LeftOut": "keras_mlm.data.left_out",
    "MixedDataset": "keras_mlm.data.mixed_dataset",
    "PretrainingDataset": "keras_mlm.data.pretraining_dataset",
    "TokenWeights": "keras_mlm.data.token_weights",
    "CorpusInspection": "keras_mlm.inspection.corpus_inspection",
    # === Preprocessing layers ===
    "MaskedLMMaskGenerator": "keras_mlm.layers.preprocessing.masked_lm_mask_generator",
    "NextSentencePairGenerator": "keras_mlm.layers.preprocessing.next_sentence_pair_generator",
    "SegmentPacker": "keras_mlm.layers.preprocessing.segment_packer",
    "part_of_speech_weights": "keras_mlm.layers.preprocessing.part_of_speech_weights",
    # === Models ===
    "BertBackbone": "keras_mlm.models.bert_backbone",
    "BertDistiller": "keras_mlm.models.bert_distiller",
    "BertPretrainer": "keras_mlm.models.bert_pretrainer",
    "BertTextClassifier": "keras_mlm.models.bert_text_classifier",
    "BertTokenClassifier": "keras_mlm.models.bert_token_classifier",
    "load_model": "keras_mlm.model_folder",
    "save_model": "keras_mlm.model_folder",
    "start_from_teacher": "keras_mlm.models.student",
    "student_config": "keras_mlm.models.student",
    # === Fine-tuning ===
    "BestEpoch": "keras_mlm.training.best_epoch",
    "FineTuning": "keras_mlm.training.fine_tuning",
    "LayerwiseAdamW": "keras_mlm.training.layerwise_adamw",
    "fit_temperature": "keras_mlm.evaluation.calibration",
    "labelled_batches": "keras_mlm.data.labelled_batches",
    "read_labelled_texts": "keras_mlm.data.labelled_texts",
    "read_tagged_words": "keras_mlm.data.tagged_words",
    # === Training ===
    "AdaptiveMasking": "keras_mlm.training.adaptive_masking",
    "ProgressLine": "keras_mlm.training.progress_line",
    "TrainingBudget": "keras_mlm.training.training_budget",
    "TrainingCheckpoint": "keras_mlm.training.training_checkpoint",
    "optimizer_from": "keras_mlm.training.optimizers",
    "strategy_from": "keras_mlm.training.distribution",
    # === Evaluation and export ===
    "ExportOptions": "keras_mlm.export.export_options",
    "Yardsticks": "keras_mlm.evaluation.yardsticks",
    "cloze": "keras_mlm.evaluation.cloze",
    "tagger_scores": "keras_mlm.evaluation.tagger_report",
    "evaluate_masked_lm": "keras_mlm.evaluation.masked_lm_evaluation",
    "export_onnx": "keras_mlm.export.onnx",
    "export_saved_model": "keras_mlm.export.saved_model",
    "export_tflite": "keras_mlm.export.tflite",
    # === Pictures ===
    "attention_figure": "keras_mlm.visualize.attention_figure",
    "masking_figure": "keras_mlm.visualize.masking_figure",
    "training_curves_figure": "keras_mlm.visualize.training_curves_figure",
    # === At home among the others ===
    "load_google_bert": "keras_mlm.interop.google_bert",
    "load_hugging_face": "keras_mlm.interop.hugging_face",
    "load_keras_hub": "keras_mlm.interop.keras_hub",
    "save_hugging_face": "keras_mlm.interop.hugging_face",
    "to_keras_hub": "keras_mlm.interop.keras_hub",
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
