from keras_mlm.config import BertConfig as BertConfig
from keras_mlm.config import PretrainingConfig as PretrainingConfig
from keras_mlm.data.docstrings import read_docstrings as read_docstrings
from keras_mlm.data.documents import read_documents as read_documents
from keras_mlm.data.labelled_batches import labelled_batches as labelled_batches
from keras_mlm.data.labelled_texts import read_labelled_texts as read_labelled_texts
from keras_mlm.data.left_out import LeftOut as LeftOut
from keras_mlm.data.prepare_corpus import prepare_corpus as prepare_corpus
from keras_mlm.data.pretraining_dataset import PretrainingDataset as PretrainingDataset
from keras_mlm.data.tagged_words import read_tagged_words as read_tagged_words
from keras_mlm.data.train_vocabulary import train_vocabulary as train_vocabulary
from keras_mlm.errors import InputError as InputError
from keras_mlm.errors import Interrupted as Interrupted
from keras_mlm.errors import RunError as RunError
from keras_mlm.evaluation.cloze import cloze as cloze
from keras_mlm.evaluation.masked_lm_evaluation import evaluate_masked_lm as evaluate_masked_lm
from keras_mlm.evaluation.tagger_report import tagger_scores as tagger_scores
from keras_mlm.evaluation.yardsticks import Yardsticks as Yardsticks
from keras_mlm.export.export_options import ExportOptions as ExportOptions
from keras_mlm.export.onnx import export_onnx as export_onnx
from keras_mlm.export.saved_model import export_saved_model as export_saved_model
from keras_mlm.export.tflite import export_tflite as export_tflite
from keras_mlm.interop.google_bert import load_google_bert as load_google_bert
from keras_mlm.interop.hugging_face import load_hugging_face as load_hugging_face
from keras_mlm.interop.hugging_face import save_hugging_face as save_hugging_face
from keras_mlm.interop.keras_hub import load_keras_hub as load_keras_hub
from keras_mlm.interop.keras_hub import to_keras_hub as to_keras_hub
from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator as MaskedLMMaskGenerator
from keras_mlm.layers.preprocessing.next_sentence_pair_generator import (
    NextSentencePairGenerator as NextSentencePairGenerator,
)
from keras_mlm.layers.preprocessing.part_of_speech_weights import part_of_speech_weights as part_of_speech_weights
from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker as SegmentPacker
from keras_mlm.model_folder import load_model as load_model
from keras_mlm.model_folder import save_model as save_model
from keras_mlm.models.bert_backbone import BertBackbone as BertBackbone
from keras_mlm.models.bert_pretrainer import BertPretrainer as BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier as BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier as BertTokenClassifier
from keras_mlm.tokenizers.annotator import Annotator as Annotator
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary as learn_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer as WordPieceTokenizer
from keras_mlm.training.best_epoch import BestEpoch as BestEpoch
from keras_mlm.training.distribution import strategy_from as strategy_from
from keras_mlm.training.optimizers import optimizer_from as optimizer_from
from keras_mlm.training.progress_line import ProgressLine as ProgressLine
from keras_mlm.training.training_budget import TrainingBudget as TrainingBudget
from keras_mlm.training.training_checkpoint import TrainingCheckpoint as TrainingCheckpoint
from keras_mlm.visualize.attention_figure import attention_figure as attention_figure
from keras_mlm.visualize.masking_figure import masking_figure as masking_figure
from keras_mlm.visualize.training_curves_figure import training_curves_figure as training_curves_figure

__version__: str
from keras_mlm.evaluation.calibration import fit_temperature as fit_temperature
from keras_mlm.training.fine_tuning import FineTuning as FineTuning
from keras_mlm.training.layerwise_adamw import LayerwiseAdamW as LayerwiseAdamW
