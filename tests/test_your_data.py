"""docs/your_data.md, carried out: its recipe and its commands on a generated log, to verified C."""

import math
import random
import re
import shlex
from pathlib import Path

import pytest

import rescomp
from rescomp.cli import main
from rescomp.recipe import load_recipe

PAGE = (Path(rescomp.__file__).parent / "docs" / "your_data.md").read_text()
COMMANDS = re.findall(r"^    rescomp (.+)$", PAGE, re.MULTILINE)


def block(kind):
    return re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1]


def motion(label, step):
    return {"still": (0, 0), "shake": (300 * math.sin(1.2 * step), 0), "turn": (0, 400 * math.sin(0.3 * step))}[label]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("guide")
    rng, time = random.Random(0), 0
    lines = [block("csv").splitlines()[0]]
    for device in ("d1", "d2", "d3", "d4"):
        for label in ("still", "shake", "turn"):
            time += 1000
            for step in range(200):
                time += 20
                reading = [round(value + rng.gauss(0, 30)) for value in (*motion(label, step), 1000)]
                lines.append(f"{time},{','.join(map(str, reading))},{label},{device}")
    (path / "gestures.csv").write_text("\n".join(lines) + "\n")
    (path / "gestures.toml").write_text(block("toml"))
    return path


def test_the_commands_lead_to_verified_c(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert [shlex.split(command)[0] for command in COMMANDS] == ["train", "quantize", "export", "verify", "inspect"]
    output = {}
    for command in COMMANDS:
        assert main(shlex.split(command)) == 0, capsys.readouterr().err
        output[command.split()[0]] = capsys.readouterr().out
    assert " 0 differ" in output["verify"]
    assert re.search(r"^    (a reading .*)$", PAGE, re.MULTILINE)[1] in output["inspect"]
    assert (folder / "gestures" / "c" / "gestures.c").is_file()
    assert float(re.search(r"integer accuracy ([\d.]+)%", output["quantize"])[1]) > 90


def test_the_log_shown_is_read(folder, monkeypatch):
    from rescomp.data.csv_table import read_table

    (folder / "shown.csv").write_text(block("csv"))
    table = read_table(folder / "shown.csv")
    assert list(table.columns) == ["timestamp", "ax", "ay", "az", "label", "device"]
    assert table.lines == (2, 3)


def test_the_recipe_of_words_is_one(tmp_path):
    (tmp_path / "words.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[-1])
    recipe = load_recipe(tmp_path / "words.toml")
    assert (recipe.data.words, recipe.augment.snr, recipe.frontend.preset) == (("yes", "no"), (5, 20), "mlperf_tiny_kws")
