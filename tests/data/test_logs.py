"""CSV logs: columns, recordings, windows, and splits that keep groups whole. Every refusal names file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data import Dataset, load_dataset
from rescomp.data.csv_table import read_table
from rescomp.errors import InputError
from rescomp.recipe import DataSection


def rows(group: str, label: str, count: int = 8, start: int = 0, step: int = 10) -> list[str]:
    return [f"{start + step * i},{i},{100 + i},{label},{group}" for i in range(count)]


HEADER = "time,ax,ay,label,who"


@pytest.fixture
def log(tmp_path: Path) -> Any:
    def write(*lines: str, name: str = "log.csv", header: str = HEADER, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join((header, *lines)) + "\n", encoding=encoding)
        return path

    return write


def load(path: Path, **keys: Any) -> Dataset:
    return load_dataset(DataSection(source=str(path), **keys))


def three_groups() -> list[str]:
    return [row for group in "abc" for label in ("still", "walk") for row in rows(group, label)]


def test_one_file(log: Any) -> None:
    data = load(log(*three_groups()), group="who", window=4)
    assert (data.name, data.classes, data.channels) == ("log", ("still", "walk"), ("ax", "ay"))
    assert data.train.x.dtype == np.int32
    assert (len(data.train), len(data.test)) == (8, 4)
    assert data.test.x[0].tolist() == [[0, 100], [1, 101], [2, 102], [3, 103]]
    assert np.bincount(data.test.y).tolist() == [2, 2]
    assert data.facts["recordings"] == 6
    assert len(data.facts["test_groups"]) == 1
    assert not set(data.facts["test_groups"]) & set(data.facts["train_groups"])
    assert data.digest == load(log(*three_groups()), group="who", window=4).digest


def test_a_folder_a_class(log: Any, tmp_path: Path) -> None:
    for label in ("still", "walk"):
        for day in range(4):
            log(*(f"{i},{day}" for i in range(6)), name=f"set/{label}/{day}.csv", header="ax,ay")
    data = load(tmp_path / "set")
    assert data.classes == ("still", "walk")
    assert data.train.x.shape == (6, 6, 2)
    assert data.facts["test_groups"] == [f"{label}/{data.test.x[i, 0, 1]}.csv" for i, label in enumerate(data.classes)]
    data = load(tmp_path / "set", window=2)
    assert (len(data.train), len(data.test)) == (18, 6)
    assert len(np.unique(data.train.groups)) == 6


def test_files_in_a_folder_with_a_label_column(log: Any, tmp_path: Path) -> None:
    for name in "abc":
        log(*rows(name, "still"), *rows(name, "walk"), name=f"set/{name}.csv")
    assert load(tmp_path / "set", channels=["ay"]).channels == ("ay",)


def test_recordings_end_at_gaps_labels_and_steps_back(log: Any) -> None:
    held = rows("a", "x", 4), rows("a", "x", 4, start=200), rows("a", "x", 4, start=100), rows("a", "y", 4, start=140)
    lines = [row for part in held for row in part]
    others = [row for group in "bc" for label in "xy" for row in rows(group, label, 4)]
    assert load(log(*lines, *others), group="who").facts["recordings"] == 4 + 4
    assert load(log(*lines, *others), group="who", gap=100).facts["recordings"] == 3 + 4


def test_interleaved_groups_are_told_apart_by_time_alone(log: Any) -> None:
    lines = [row for pair in zip(*(rows(g, "x") for g in "ab"), strict=True) for row in pair]
    lines += [row for pair in zip(*(rows(g, "y") for g in "ab"), strict=True) for row in pair]
    assert load(log(*lines), group="who").facts["recordings"] == 4
    no_time = [line.partition(",")[2] for line in lines]
    assert load(log(*no_time, header="ax,ay,label,who"), group="who").facts["recordings"] == len(lines)


def test_iso_times_quotes_tabs_floats_and_numbered_labels(log: Any) -> None:
    lines = [f'2024-05-01T12:00:{i:02}.5+02:00\t{i}.5\t"a ""b"""\t{label}\t{g}' for g in (1, 2) for label in (10, 9) for i in range(3)]
    path = log("", *lines, header="Timestamp\tax\tnote\tclass\tsubject", encoding="utf-8-sig")
    data = load(path, label="class", group="subject")
    assert data.classes == ("9", "10")
    assert data.channels == ("ax",)
    assert data.train.x.dtype == np.float32


def test_windows_overlap_by_the_stride_within_a_recording(log: Any) -> None:
    data = load(log(*three_groups()), group="who", window=4, stride=2)
    assert sorted(data.test.x[:3, 0, 0].tolist()) == [0, 2, 4]
    assert len(data.train) + len(data.test) == 6 * 3


def test_split_in_time_shares_no_reading(log: Any) -> None:
    lines = rows("a", "still", 40) + rows("a", "walk", 40, start=1000)
    data = load(log(*lines), window=4, stride=2, split="time")
    for label in (0, 1):
        train, test = (set(split.x[split.y == label, :, 0].ravel().tolist()) for split in (data.train, data.test))
        assert max(train) < min(test)
    assert data.train.groups is not None
    assert load(log(*lines), window=4, split="time").train.groups is None


def test_what_cannot_be_split_is_refused(log: Any) -> None:
    one = log(*rows("a", "still"), *rows("a", "walk"))
    for keys in ({}, {"group": "who"}):
        with pytest.raises(InputError, match=r"one group only \(.*\).*data\.group.*data\.split = 'time'"):
            load(one, **keys)
    with pytest.raises(InputError, match=r"needs data\.window"):
        load(one, split="time")
    with pytest.raises(InputError, match=r"class 'walk' cannot stand on both sides.*it has 1: a"):
        load(log(*rows("a", "still"), *rows("b", "still"), *rows("a", "walk")), group="who")
    with pytest.raises(InputError, match=r"one class only \(still\)"):
        load(log(*rows("a", "still"), *rows("b", "still")), group="who")
    with pytest.raises(InputError, match=r"no recording of class 'still' fills a window of 9 readings \(the longest has 8"):
        load(log(*three_groups()), group="who", window=9)
    with pytest.raises(InputError, match=r"data\.stride needs data\.window"):
        load(one, stride=2)


BAD = {
    "lable": ({"label": "lable"}, [], r"line 1: there is no column 'lable' \(data\.label\); the nearest one is 'label'"),
    "channel": ({"channels": ["az"]}, [], r"line 1: there is no column 'az' \(data\.channels\)"),
    "roles": ({"group": "label"}, [], r"column 'label' is named by data\.label and by data\.group"),
    "twice": ({"channels": ["ax", "ax"]}, [], r"column 'ax' is named by data\.channels and by data\.channels"),
    "text": ({}, ["70,oops,1,still,a"], r"log\.csv, line 50: column 'ax' is 'oops', not a number"),
    "nan": ({}, ["70,1,NaN,still,a"], r"log\.csv, line 50: column 'ay' is 'NaN', not a finite number"),
    "inf": ({}, ["70,1,1e999,still,a"], r"log\.csv, line 50: column 'ay' is 1e999, beyond single precision"),
    "underscore": ({}, ["70,1_0,1,still,a"], r"log\.csv, line 50: column 'ax' is '1_0', not a number"),
    "wide": ({}, ["70,4294967296,1,still,a"], r"log\.csv, line 50: column 'ax' is 4294967296, beyond 32 bits"),
    "empty": ({}, ["70,,1,still,a"], r"log\.csv, line 50: column 'ax' is empty"),
    "no label": ({}, ["70,1,1,,a"], r"log\.csv, line 50: column 'label' is empty"),
    "ragged": ({}, ["70,1"], r"log\.csv, line 50: 2 cells instead of 5: the line may be cut off"),
    "comma": ({}, ["70,1,5,1,still,a"], r"log\.csv, line 50: 6 cells instead of 5: .*decimal comma"),
    "mixed": ({}, ["70;1;1;still;a"], r"log\.csv, line 50: 1 cell instead of 5: it is separated by ';' and the header by ','"),
    "time": (
        {},
        ["noon,1,1,still,a"],
        r"log\.csv, line 50: column 'time' is 'noon', which is neither a number of at most 64 bits nor an ISO 8601 time",
    ),
    "quotes": ({}, ['70,"1,1,still,a'], r"log\.csv, line 50: unexpected end of data"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_named_with_their_line(case: str, log: Any) -> None:
    keys, lines, message = BAD[case]
    with pytest.raises(InputError, match=message):
        load(log(*three_groups(), *lines), **{"group": "who", **keys})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"line 1: the file is empty"),
        (b"\n \n", r"line 1: the file is empty"),
        (b"ax,label\n", r"line 1: there is no reading below the header line"),
        (b"ax;ay,label\n1;2,a\n", r"line 1: the header mixes ',' and ';' as delimiters"),
        (b"1,2\n3,4\n", r"line 1: the header line holds numbers only"),
        (b"ax,,label\n1,2,a\n", r"line 1: column 2 has no name"),
        (b"ax,ax\n1,2\n", r"line 1: two columns are called 'ax'"),
        ("ax,°C\n1,2\n".encode("latin-1"), r"line 1: byte 3 is not UTF-8 text"),
        ("ax,label\n1,2\n".encode("utf-16-le"), r"line 1: a NUL character"),
        (b"sep=|\nax|label\n1|2\n", r"line 1: sep=\| is no delimiter that rescomp reads"),
        (b"sep=;\n\n# nothing\n", r"line 3: there is neither a header line nor a reading"),
        (b"ax,label\n1,2,3\n", r"line 2: 3 cells instead of 2: write numbers with a decimal point"),
        (b"ax\tlabel\n1\t2\t3\n", r"line 2: 3 cells instead of 2: name column 3 in line 1"),
        (b"ax,label\n1,a\n# pause\n", r"line 3: 1 cell instead of 2: it is a comment"),
        (b"Logger 2.1\ntime;ax;label\n1;2;a\n", r"line 2: 3 cells instead of 1: the header line comes first: delete line 1"),
        (b"Device,7\ntime,ax,label\n1,2,a\n", r"line 2: 3 cells instead of 2: the header line comes first: delete line 1"),
    ],
)
def test_files_that_are_no_table(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(data)
    with pytest.raises(InputError, match=rf"log\.csv, {message}"):
        read_table(tmp_path / "log.csv")


@pytest.mark.parametrize(("encoding", "name"), [("utf-16", "UTF-16"), ("utf-32", "UTF-32")])
def test_other_encodings_are_told_by_their_byte_order_mark(encoding: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes("ax,label\n1,2\n".encode(encoding))
    with pytest.raises(InputError, match=rf"log\.csv, line 1: it is {name} text: save it in UTF-8"):
        read_table(tmp_path / "log.csv")


ALIKE = (("time", "1", "2"), ("ax", "3", "4"), ("label", "a", "b"))
DIALECTS = {
    "plain": b"time,ax,label\n1,3,a\n2,4,b\n",
    "every reading ends with a comma": b"time,ax,label\n1,3,a,\n2,4,b,\n",
    "every line ends with commas": b"time,ax,label,,\n1,3,a,,\n2,4,b,,\n,,,,\n",
    "some readings end with one": b"time,ax,label\n1,3,a\n2,4,b,\n",
    "semicolons at the ends": b"time;ax;label\n1;3;a;\n2;4;b;\n",
    "a spreadsheet names its separator": b"sep=;\r\ntime;ax;label\r\n1;3;a\r\n2;4;b\r\n",
    "in quotes, behind a byte order mark, and filled up": b'\xef\xbb\xbf"SEP=,",,\ntime,ax,label\n1,3,a\n2,4,b\n',
    "a tab": b"sep=\t\ntime\tax\tlabel\n1\t3\ta\n2\t4\tb\n",
    "comments above the header": b"# it's 50 Hz, 3\" away; so\n#\n\ntime,ax,label\n1,3,a\n2,4,b\n",
    "the header is a comment": b"# made by numpy\n# time,ax,label\n1,3,a\n2,4,b\n",
    "a comment with as many cells": b"#x,y,z\ntime,ax,label\n1,3,a\n2,4,b\n",
    "old Macs": b"time,ax,label\r1,3,a\r2,4,b\r",
    "Windows, translated twice": b"time,ax,label\r\r\n1,3,a\r\r\n2,4,b\r\r\n",
    "blank lines filled with commas": b"time,ax,label\n,,\n1,3,a\n,,\n2,4,b\n",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_loggers_and_spreadsheets_write_is_one_table(dialect: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(DIALECTS[dialect])
    assert tuple((name, *cells) for name, cells in read_table(tmp_path / "log.csv").columns.items()) == ALIKE


def test_lines_are_counted_from_the_file_s_first(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b"sep=,\r# a\r\rtime,ax,label\r1,3,a\r2,4\r")
    with pytest.raises(InputError, match=r"log\.csv, line 6: 2 cells instead of 3"):
        read_table(tmp_path / "log.csv")
    (tmp_path / "log.csv").write_bytes(b"# a\ntime,ax,label\n1,3,a\n")
    table = read_table(tmp_path / "log.csv")
    assert table.lines == (3,)
    with pytest.raises(InputError, match=r"log\.csv, line 2: there is no column 'az'"):
        table.column("az", "data.channels")


@pytest.mark.parametrize("cell", ["\uff11\uff12", "\u0663", "1_000", "0x1F", "Infinity", "+nan", "1\u00a0000", "\u00b2", "\u22125"])
@pytest.mark.parametrize("integers", [True, False])
def test_a_cell_that_python_alone_may_take_for_a_number_is_named(cell: str, integers: bool, log: Any) -> None:
    more = three_groups() if integers else [line.replace(",100,", ",100.5,") for line in three_groups()]
    path = log(*more, f"70,1,{cell},still,a")
    with pytest.raises(InputError) as caught:
        load(path, group="who")
    assert str(caught.value).startswith(f"{path}, line 50: column 'ay' is {cell!r}, not a ")
    with pytest.raises(InputError, match=r"line 50: column 'time' is .*, which is neither a number of at most 64 bits nor"):
        load(log(*more, f"{cell},1,1,still,a"), group="who")


@pytest.mark.parametrize("cell", ["\uff11\uff12", "0x1F", "1_000"])
def test_a_column_of_such_cells_is_not_left_out_silently(cell: str, log: Any) -> None:
    with pytest.raises(InputError, match=r"line 2: column 'az' is .*, not a number in the digits 0 to 9"):
        load(log(*(f"{line},{cell}" for line in three_groups()), header=f"{HEADER},az"), group="who")


@pytest.mark.parametrize("cell", ["9" * 200, "1e999"])
def test_numbers_without_end(cell: str, log: Any) -> None:
    with pytest.raises(InputError, match=r"line 50: column 'ay' is .*, beyond"):
        load(log(*three_groups(), f"70,1,{cell},still,a"), group="who")
    with pytest.raises(InputError, match=r"line 50: column 'time' is .*, which is neither a number of at most 64 bits nor"):
        load(log(*three_groups(), f"{cell},1,1,still,a"), group="who")


def test_a_line_without_end_is_named(log: Any) -> None:
    with pytest.raises(InputError, match=r"log\.csv, line 50: it has more than 1,048,576 characters, which no reading has"):
        load(log(*three_groups(), "1," * (1 << 20)), group="who")


def test_numbered_classes_are_numbers_in_ascii(log: Any) -> None:
    lines = [row for group in "abc" for label in ("10", "9", "\uff11", "9" * 200) for row in rows(group, label)]
    assert load(log(*lines), group="who").classes == ("10", "9", "9" * 200, "\uff11")


def test_what_systems_and_editors_leave_behind_is_no_recording(log: Any, tmp_path: Path) -> None:
    for label in ("still", "walk"):
        for day in range(4):
            log(*(f"{i},{day}" for i in range(6)), name=f"set/{label}/{day}.csv", header="ax,ay")
    facts = load(tmp_path / "set").facts
    for folder in ("", "still/"):
        for name in (
            ".ipynb_checkpoints/0.csv",
            "__MACOSX/._0.csv",
            "__MACOSX/still/0.csv",
            "._0.csv",
            ".DS_Store",
            "Thumbs.db",
            "~$0.csv",
        ):
            log("no", "table,at all", name=f"set/{folder}{name}")
    (tmp_path / "set" / ".thumbnails").mkdir()
    (tmp_path / "set" / ".thumbnails" / "0.png").write_bytes(b"")
    assert load(tmp_path / "set").facts == facts


def test_a_linked_folder_that_leads_back_is_read_once(log: Any, tmp_path: Path) -> None:
    for label in ("still", "walk"):
        for day in range(2):
            log(*(f"{i},{day}" for i in range(6)), name=f"set/{label}/{day}.csv", header="ax,ay")
    (tmp_path / "set" / "walk" / "again").symlink_to(tmp_path / "set")
    assert load(tmp_path / "set").facts["files"] == 4


def test_a_decimal_comma_gets_a_hint(log: Any) -> None:
    path = log(*(f"{i};0,5{i};{label};{g}" for g in "ab" for label in "xy" for i in range(3)), header="time;ax;label;who")
    with pytest.raises(InputError, match=r"line 2: column 'ax' is '0,50', with a decimal comma: write 0\.50 with a decimal point"):
        load(path, group="who")


def test_folders_that_are_no_source(log: Any, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    with pytest.raises(InputError, match="holds no CSV file: give a folder"):
        load(folder)
    (folder / "walk").mkdir()
    with pytest.raises(InputError, match=r"set/walk holds no CSV file: each sub-folder is a class"):
        load(folder)
    log(*rows("a", "x"), name="set/a.csv")
    with pytest.raises(InputError, match="holds CSV files beside sub-folders"):
        load(folder)
    with pytest.raises(InputError, match=r"cannot read .*missing\.csv"):
        load(tmp_path / "missing.csv")


def test_another_files_columns_are_not_dropped_silently(log: Any, tmp_path: Path) -> None:
    log(*rows("a", "x"), *rows("a", "y"), name="set/a.csv")
    log(*(f"{row},7" for row in rows("b", "x")), name="set/b.csv", header=f"{HEADER},temperature")
    with pytest.raises(InputError, match=r"set/b\.csv, line 1: column 'temperature' is not in the first file"):
        load(tmp_path / "set", group="who")


def test_settings_for_logs_are_refused_elsewhere(write_npz: Any) -> None:
    with pytest.raises(InputError, match=r"data\.window is for CSV logs and WAV files, and '.*set\.npz' is none"):
        load(Path(write_npz()), window=4)
    assert load(Path(write_npz()), unit="g").channels == ()
