"""A seeded slice of benchmarks/fuzz.py: 300 mutated files, each met by one sentence or by a result."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rescomp

FUZZ = Path(rescomp.__file__).parent / "benchmarks" / "fuzz.py"
TRIES, SECONDS = 300, 1500


@pytest.mark.timeout(SECONDS + 60)
def test_no_mutated_file_ends_a_command_otherwise_than_foreseen(tmp_path):
    command = [sys.executable, str(FUZZ), "--work", str(tmp_path / "fuzz"), "--tries", str(TRIES), "--seed", "3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("\n{\n") :])
    assert found["findings"] == {}, [
        line for line in (tmp_path / "fuzz" / "tries-3.jsonl").read_text().splitlines() if '"fault": ""' not in line
    ]
    assert sum(found["codes"].values()) == TRIES
    assert found["codes"].get("0", 0) > TRIES // 20
    for name, count in found["read behind the digests, of those repaired"].items():
        read, _, all_tries = count.partition(" of ")
        assert int(read) > 0 or int(all_tries) < 5, (name, all_tries)
