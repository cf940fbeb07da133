"""Measure a trained model on the held-out half of a prepared corpus."""

from typing import Any, Literal

from keras_mlm import command_line


def evaluate(
    *,
    model: str,
    data: str,
    length: int = 128,
    batch_size: int = 64,
    masking: Literal["token", "whole_word", "span"] = "token",
) -> dict[str, Any]:
    """Print a model's held-out figures beside those of counting, and add them to its metrics.json and card.

    The counts are of the training half: of tokens alone (unigram), and of tokens between their two neighbours. The
    cloze test masks one word in each of 100 held-out sentences.

    Args:
        model: model folder, as recipes/pretrain.py writes it.
        data: data folder, as recipes/prepare_corpus.py writes it, made with the model's vocabulary.
        length: tokens a row.
        batch_size: rows computed at a time.
        masking: what is masked together: token, whole_word or span.
    """
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.evaluation.cloze import cloze
    from keras_mlm.evaluation.masked_lm_evaluation import evaluate_masked_lm
    from keras_mlm.evaluation.yardsticks import Yardsticks
    from keras_mlm.model_folder import load_pretrainer, write_metrics

    bert = load_pretrainer(model)
    dataset = PretrainingDataset(
        data,
        length=min(length, bert.config.max_sequence_length),
        batch_size=batch_size,
        masking=masking,
        next_sentence=bert.config.next_sentence,
        split="validation",
    )
    metrics = evaluate_masked_lm(bert, dataset, Yardsticks.from_folder(data)) | cloze(bert, data)
    write_metrics(model, metrics)
    print(report(metrics))
    print(f"\nWritten to {model}/metrics.json and {model}/README.md; to see them beside the curves:")
    print(f"python recipes/report.py --model {model}")
    return metrics


def report(metrics: dict[str, Any]) -> str:
    """Return the figures of `evaluate` as a table, the model beside the two count models."""
    from keras_mlm.text_table import text_table

    rows = [
        ["perplexity, model", metrics["perplexity"]],
        ["perplexity, neighbour counts", metrics["neighbour_perplexity"]],
        ["perplexity, unigram counts", metrics["unigram_perplexity"]],
        ["unigram over model, times", metrics["unigram_perplexity"] / metrics["perplexity"]],
        ["masked tokens guessed right", metrics["masked_lm_accuracy"]],
        ["next sentence told right", metrics.get("next_sentence_accuracy")],
        [f"cloze, right of {metrics['cloze_sentences']}", metrics["cloze_top1"]],
        [f"cloze, among five of {metrics['cloze_sentences']}", metrics["cloze_top5"]],
    ]
    return text_table([f"on {metrics['targets']} held-out tokens", ""], [row for row in rows if row[1] is not None])


if __name__ == "__main__":
    command_line.run(evaluate)
