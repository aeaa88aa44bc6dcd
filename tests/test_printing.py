"""What a person is shown while a training runs."""

import dataclasses
from pathlib import Path

import pytest

import rescomp
from rescomp.errors import counted
from rescomp.manifest import ClassFigures
from rescomp.printing import TerminalListener, describe_epoch, describe_progress, show, table
from rescomp.printing.classes import recall_table
from rescomp.stages.check_findings import Check
from rescomp.text_files import markdown
from rescomp.train.metrics import EpochReport
from rescomp.validate.witness import Progress


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 m 00 s"), (185, "3 m 05 s"), (7830, "2 h 10 m")])
def test_an_epoch_says_all_of_it(seconds, text):
    report = EpochReport("quantize", 3, 9, 0.5, 0.75, 0.8, 0.01, seconds, best_epoch=2, schedule="lambda 0.42")
    line = f"loss 0.500  train 75.0%  validation 80.0% (best: epoch 2)  rate 1.0e-02  lambda 0.42  {text} left"
    assert describe_epoch(report) == line
    in_a_row = dataclasses.replace(report, streamed_accuracy=0.75)
    assert describe_epoch(in_a_row) == line.replace("80.0% (", "80.0%, in a row 75.0% (")


def test_every_class_is_told_and_of_many_those_answered_worst():
    few = {"float": ClassFigures(balanced_accuracy=0.75, macro_f1=0.5, recall={"b": 1.0, "a": 0.5})}
    assert recall_table(few).splitlines() == ["recall    float", "------  -------", "b       100.00%", "a        50.00%"]
    names = [f"c{number:02}" for number in range(28)]
    figures = {"balanced_accuracy": 0.5, "macro_f1": 0.5}
    first = ClassFigures(**figures, recall=dict.fromkeys(names, 0.25))
    last = ClassFigures(**figures, recall={name: 1 - 0.03125 * number for number, name in enumerate(names)})
    lines = recall_table({"float": first, "integer": last}).splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == names[:7:-1]
    assert lines[-1] == "8 more are answered better, or as well"


def test_percentages_are_aligned_as_numbers():
    assert table(("seed", "float"), [("0", "7.50%"), ("mean", "100.00%")]).splitlines()[2] == "0       7.50%"


WIDE = [
    ("japanese_vowels", "int8, power of two", "12,345", "a sentence that tells what is wrong with it and how to get it"),
    ("x", "y", "1", "pip install 'psycopg[binary]'"),
]
TITLES = ("name", "weights", "bytes", "get it with")


def test_a_table_is_as_wide_as_the_terminal():
    as_it_is = table(TITLES, WIDE)
    assert len(as_it_is.splitlines()) == 4
    assert max(map(len, as_it_is.splitlines())) == 106
    for width in (106, 90, 70, 64):
        text = table(TITLES, WIDE, width)
        assert max(map(len, text.splitlines())) <= width
        assert (text == as_it_is) == (width == 106)
        for word in " ".join(map(" ".join, WIDE)).split():
            assert word in text
    assert table(TITLES, WIDE, 106) == as_it_is
    assert table(TITLES, WIDE, 40).splitlines()[:6] == [
        "name: japanese_vowels",
        "weights: int8, power of two",
        "bytes: 12,345",
        "get it with: a sentence that tells what",
        "  is wrong with it and how to get it",
        "",
    ]


def test_a_table_takes_its_width_from_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "64")
    assert max(map(len, table(TITLES, WIDE).splitlines())) == 106
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert 48 < max(map(len, table(TITLES, WIDE).splitlines())) <= 64


def test_nothing_in_a_table_steers_the_terminal():
    assert table(("a\x1b[2J", "b"), [("\x1b]0;x\x07", "two\nlines")]).splitlines()[::2] == [
        r"a\x1b[2J      b",
        r"\x1b]0;x\x07  two\nlines",
    ]


HOSTILE = "<script>alert(1)</script> a|b `c` [d](e) \x1b[2J"


def test_what_a_name_holds_is_no_markup_in_markdown():
    text = markdown(f"{HOSTILE}\n# x")
    assert text == r"\<script\>alert(1)\</script\> a\|b \`c\` \[d\](e) \\x1b\[2J # x"
    check = Check("m", "0" * 64, 0.5, (), (), (HOSTILE,), (HOSTILE,), (HOSTILE,))
    lines = check.as_markdown().splitlines()
    assert [line for line in lines if "alert" in line] == [
        f"- {markdown(HOSTILE)}",
        f"Not compared: {markdown(HOSTILE)}.",
        f"- not seen: {markdown(HOSTILE)}",
    ]


def test_nothing_that_is_shown_steers_the_terminal(capsys):
    show(f"{HOSTILE}\nb")
    with TerminalListener() as listener:
        listener.stage(HOSTILE)
        listener.warning(HOSTILE)
        listener.progress(Progress(1, 1, "x", 1.0, HOSTILE))
    found = capsys.readouterr()
    assert "\x1b" not in found.out + found.err
    assert found.out.splitlines()[1] == "b"
    assert (found.out + found.err).count(r"\x1b[2J") == 4


WRITERS = {"printing/output.py", "printing/progress.py", "cli/output.py", "cli/failure.py", "cli/completion.py", "cli/devices.py"}
"""Which write what is escaped already, JSON, or nothing that anybody else has named."""


def test_everything_is_shown_by_one_function():
    root = Path(rescomp.__file__).parent
    found = set()
    for folder in ("cli", "printing", "stages"):
        for path in (root / folder).glob("*.py"):
            if any(call in path.read_text() for call in ("click.echo(", "click.secho(", "sys.stdout.write(")):
                found.add(f"{folder}/{path.name}")
    assert found == WRITERS


def test_progress_says_how_far_how_fast_and_how_long():
    assert describe_progress(Progress(37, 370, "sequences", 2.0, "9.0 KB/s")) == "37/370 sequences  18.5/s  9.0 KB/s  18 s left"
    assert describe_progress(Progress(370, 370, "sequences", 20.0)) == "370/370 sequences  18.5/s  20 s"
    assert describe_progress(Progress(0, 370, "sequences", 0.0)) == "0/370 sequences  0.0/s  0 s left"


def test_progress_takes_about_ten_lines_where_there_is_no_terminal(capsys):
    with TerminalListener() as listener:
        for done in range(1, 371):
            listener.progress(Progress(done, 370, "sequences", done / 10))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "  370/370 sequences  10.0/s  37 s"


@pytest.mark.parametrize(
    ("count", "words", "text"),
    [
        (1, ("recording",), "1 recording"),
        (0, ("step",), "0 steps"),
        (1200, ("reading",), "1,200 readings"),
        (2, ("class",), "2 classes"),
        (3, ("entry",), "3 entries"),
        (1, ("reading lies", "readings lie"), "1 reading lies"),
        (2, ("reading lies", "readings lie"), "2 readings lie"),
    ],
)
def test_one_of_a_kind_is_no_plural(count, words, text):
    assert counted(count, *words) == text
