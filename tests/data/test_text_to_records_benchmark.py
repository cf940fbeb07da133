import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_benchmark_writes_its_rows_and_checks_the_ids(tmp_path):
    script = Path(__file__).parents[2] / "recipes" / "benchmarks" / "text_to_records.py"
    path = tmp_path / "rows.json"
    subprocess.run([sys.executable, str(script), "--json", str(path), "--megabytes", "2"], check=True, timeout=500)
    rows = {row["name"]: row for row in json.loads(path.read_text())}
    assert all({"shape", "parameters", "dropout", "tokens_per_second"} <= row.keys() for row in rows.values())
    assert rows["keras_mlm exact"]["same_ids"]
