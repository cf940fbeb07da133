"""What a student is: its teacher's architecture with fewer or narrower layers, and where it starts."""

import dataclasses
import re
from typing import Any

from keras_mlm.config import PRESETS, STYLES, BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer

# The student of the teacher's width with every second of its layers.
HALF = "half"
_WIDTHS = ("hidden_dim", "num_heads", "intermediate_dim")


def student_config(teacher: BertConfig, size: str) -> BertConfig:
    """Return the architecture of a student: its teacher's but for the size, without next sentences.

    Args:
        teacher: `BertConfig` of the teacher.
        size: str, `"half"`, the teacher's width and half its layers, or a preset.

    Returns:
        A `BertConfig`.

    Raises:
        InputError: an unknown size; the message lists the known ones.

    Example:
        ```python
        config = student_config(load_model("saved_models/news").config, "half")
        ```
    """
    if size == HALF:
        return dataclasses.replace(teacher, num_layers=-(-teacher.num_layers // 2), next_sentence=False)
    if size not in PRESETS:
        raise InputError(f"unknown student {size!r}; known are {', '.join((HALF, *PRESETS))}")
    preset = BertConfig.from_preset(size, vocabulary_size=teacher.vocabulary_size)
    sizes: dict[str, Any] = {name: getattr(preset, name) for name in ("num_layers", *_WIDTHS)}
    return dataclasses.replace(teacher, **sizes, next_sentence=False)


def style_of(config: BertConfig) -> str:
    """Return the style that an architecture is of: the last that it has all entries of."""
    entries = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return [name for name, style in STYLES.items() if style["model"].items() <= entries.items()][-1]


def teaching_blocks(layers: int, teacher_layers: int) -> list[int]:
    """Return for each of a student's blocks the number, from 0, of the teacher's block whose output it learns.

    They are evenly spaced, and the last learns from the last.

    References:
        - [TinyBERT](https://arxiv.org/abs/1909.10351), its uniform strategy
    """
    return [-(-(index + 1) * teacher_layers // layers) - 1 for index in range(layers)]


def starting_blocks(student: BertConfig, teacher: BertConfig) -> list[int]:
    """Return for each of a student's blocks the number, from 0, of the teacher's block whose weights it starts from.

    They are evenly spaced from the first to the last: of twelve for six, 0, 2, 4, 7, 9 and 11. An empty list where the
    widths differ, so that the student starts from random weights.

    References:
        - [DistilBERT](https://arxiv.org/abs/1910.01108)
    """
    if any(getattr(student, name) != getattr(teacher, name) for name in _WIDTHS):
        return []
    last, steps = teacher.num_layers - 1, max(1, student.num_layers - 1)
    return [round(index * last / steps) for index in range(student.num_layers)]


def start_from_teacher(student: BertPretrainer, teacher: BertPretrainer) -> None:
    """Give a student the embeddings, head and evenly spaced blocks of its teacher, see `starting_blocks`.

    Args:
        student: `BertPretrainer` of a `student_config`; it stays as it is where the widths differ.
        teacher: `BertPretrainer`.

    Example:
        ```python
        student = BertPretrainer(student_config(teacher.config, "half"), tokenizer=teacher.tokenizer)
        start_from_teacher(student, teacher)
        ```
    """
    blocks = starting_blocks(student.config, teacher.config)
    if not blocks:
        return
    there = {variable.path: variable for variable in teacher.weights}
    for variable in student.weights:
        source = re.sub(r"encoder_block_(\d+)/", lambda found: f"encoder_block_{blocks[int(found[1])]}/", variable.path)
        variable.assign(there[source])
