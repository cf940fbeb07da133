import io
import logging
import re

from tiny_run import fit, tiny_model

from keras_mlm.training.progress_line import ProgressLine
from keras_mlm.training.training_budget import TrainingBudget


def test_lines_hold_step_loss_pace_rate_and_time_left(caplog):
    caplog.set_level(logging.INFO)
    budget = TrainingBudget(steps=9, learning_rate=0.1)
    progress = ProgressLine(budget, tokens_per_step=1000, peak_steps_per_second=1e9, every_seconds=0)
    fit(tiny_model(), [budget, progress])
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("progress_line")]
    assert "first step" in lines[0] and len(lines) == 10
    pattern = r" 72 % \| step 6 \| loss \d\.\d{3} \| [\d,]+ tokens/s \| 0% of peak \| rate 4\.\de-02 \| \d:\d\d left"
    assert any(re.fullmatch(pattern, line) for line in lines), lines
    assert lines[-1].startswith("100 % | step 9 |")
    assert progress.tokens_per_second == budget.steps_per_second * 1000


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    budget = TrainingBudget(steps=3, learning_rate=0.1)
    fit(tiny_model(), [budget, ProgressLine(budget, tokens_per_step=1000)])
    assert "100%|" in terminal.getvalue() and "step 3 | loss" in terminal.getvalue()
