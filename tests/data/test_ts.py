from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rescomp.data import Dataset, load_dataset
from rescomp.data.ts import read_ts_pair
from rescomp.errors import InputError

Load = Callable[..., Dataset]

HEADER = "# a comment\n@problemName Steps\n@timeStamps false\n@missing false\n@univariate false\n@dimensions 2\n@equalLength false\n"
TRAIN = HEADER + "@classLabel true b a\n@data\n1.5,2,3:4,5,6:a\n\n7:-8e-1:b\n"
TEST = HEADER + "@classLabel true b a\n@data\n0.5,0.25:1,2:b\n"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(train: str = TRAIN, test: str = TEST) -> Dataset:
        (tmp_path / "s_TRAIN.ts").write_text(train)
        (tmp_path / "s_TEST.ts").write_text(test)
        return load_dataset(f"{tmp_path / 's_TRAIN.ts'},{tmp_path / 's_TEST.ts'}")

    return load


def test_variable_lengths(load: Load) -> None:
    data = load()
    assert data.name == "Steps"
    assert data.classes == ("b", "a")
    assert data.train.lengths.tolist() == [3, 1]
    assert data.train.y.tolist() == [1, 0]
    assert data.train.x.dtype == np.float32
    np.testing.assert_array_equal(data.train.x[0], np.array([[1.5, 4], [2, 5], [3, 6]], np.float32))
    np.testing.assert_array_equal(data.train.x[1], np.array([[7, -0.8], [0, 0], [0, 0]], np.float32))


def test_univariate_without_dimensions_or_class_list(load: Load) -> None:
    data = load("@problemname U\n@classlabel true\n@DATA\n1,2:x\n3,4:y\n", "@data\n5,6:x\n")
    assert data.classes == ("x", "y")
    assert data.train.x.shape == (2, 2, 1)


REFUSED = [
    (
        TRAIN.replace("4,5,6", "4,?,6"),
        "s_TRAIN.ts, line 10: channel 1, step 1 (counting from 0) is missing (?): fill it in or drop the sequence",
    ),
    (TRAIN.replace("7:-8e-1", "NaN:1"), "s_TRAIN.ts, line 12: channel 0, step 0 (counting from 0) is missing (NaN)"),
    (
        TRAIN.replace("7:-8e-1", "inf:1"),
        "s_TRAIN.ts, line 12: channel 0, step 0 (counting from 0) is 'inf', not a finite number: correct it or drop the sequence",
    ),
    (TRAIN.replace("4,5,6", "4,five,6"), "s_TRAIN.ts, line 10: channel 1, step 1 (counting from 0) is 'five', not a finite number"),
    (TRAIN.replace("4,5,6", "4,,6"), "s_TRAIN.ts, line 10: channel 1, step 1 (counting from 0) is '', not a finite number"),
    (TRAIN.replace("4,5,6", "4,5"), "s_TRAIN.ts, line 10: channel 1 has 2 steps and channel 0 has 3: write equal lengths"),
    (TRAIN.replace("7:-8e-1:b", "7:b"), "s_TRAIN.ts, line 12: 1 channel instead of 2: write every sequence with the same channels"),
    (TRAIN.replace("7:-8e-1:b", "7:-8:c"), "s_TRAIN.ts, line 12: class 'c' is not declared in @classLabel (b a): correct it"),
    (
        TRAIN.replace("7:-8e-1:b", "7,8,9"),
        "s_TRAIN.ts, line 12: no class label after the last ':': it may be truncated, write or copy it again",
    ),
    (TRAIN.replace("7:-8e-1:b", "7:-8:"), "s_TRAIN.ts, line 12: no class label after the last ':'"),
    (TRAIN.partition("1.5")[0], "s_TRAIN.ts has no sequence after @data: it may be truncated, write or copy it again"),
    (TRAIN.partition("@data")[0], "s_TRAIN.ts has no @data line: give a UEA .ts file, complete"),
    ("time,x\n1,2\n", "s_TRAIN.ts, line 1: text before @data that is no '@' header: give a UEA .ts file"),
    (
        TRAIN.replace("@timeStamps false", "@timeStamps true"),
        "s_TRAIN.ts has time stamps among its values (@timeStamps true): write it without them",
    ),
    (
        TRAIN.replace("@classLabel true b a", "@classLabel false"),
        "s_TRAIN.ts has no class labels (@classLabel true ...): give a data set for classification",
    ),
    (TRAIN.replace("@classLabel true b a", "@targetLabel true"), "s_TRAIN.ts has no class labels"),
    (TRAIN.replace("@dimensions 2", "@dimensions two"), "s_TRAIN.ts declares @dimensions 'two': write the number of channels"),
    (TRAIN.replace("true b a", "true b a c"), "s_TEST.ts declares other classes (b a) than"),
    (TRAIN.replace("7:-8e-1:b", "7:-8:a"), "s_TEST.ts: the test split has class 'b' at sequence 0, which is never seen in training"),
    (TRAIN.replace("4,5,6", "4,5,1e60"), "s_TRAIN.ts: the train split holds 1e+60 at sequence 0, step 2, channel 1"),
]


@pytest.mark.parametrize(("train", "message"), REFUSED)
def test_refused(load: Load, train: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(train)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_channels_in_the_test_file(load: Load) -> None:
    with pytest.raises(InputError, match=r"s_TEST\.ts: the test split has 1 channel and the train split has 2"):
        load(test="@classLabel true b a\n@data\n1,2:b\n")


def test_not_text(tmp_path: Path) -> None:
    for data, message in (
        (b"@data\n\xff\x00", r"a\.ts, line 2: byte 6 is not UTF-8 text"),
        (TRAIN.encode("utf-16"), r"a\.ts, line 1: it is UTF-16 text: save it in UTF-8"),
    ):
        (tmp_path / "a.ts").write_bytes(data)
        with pytest.raises(InputError, match=message):
            load_dataset(f"{tmp_path / 'a.ts'},{tmp_path / 'a.ts'}")


def test_other_systems_files_are_read_alike(load: Load, tmp_path: Path) -> None:
    digest = load().digest
    for name, text in (("A_TRAIN.TS", TRAIN), ("A_Test.Ts", TEST)):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_dataset(f"{tmp_path / 'A_TRAIN.TS'},{tmp_path / 'A_Test.Ts'}").digest == digest
    (tmp_path / "A_TRAIN.TS").write_text(TRAIN.replace("\n", "\r"))
    assert load_dataset(f"{tmp_path / 'A_TRAIN.TS'},{tmp_path / 'A_Test.Ts'}").digest == digest


@pytest.mark.parametrize("cell", ["\uff11\uff12", "1_000", "0x1F", "infinity", "1e999"])
def test_a_value_that_python_alone_may_take_for_a_number_is_named(load: Load, cell: str) -> None:
    with pytest.raises(InputError) as caught:
        load(TRAIN.replace("7:-8e-1", f"{cell}:1"))
    assert f"s_TRAIN.ts, line 12: channel 0, step 0 (counting from 0) is {cell!r}, not a finite number" in str(caught.value)
    with pytest.raises(InputError, match="@dimensions"):
        load(TRAIN.replace("@dimensions 2", f"@dimensions {cell}"))


def test_a_missing_file(load: Load, tmp_path: Path) -> None:
    load()
    with pytest.raises(InputError, match=r"cannot read .*t_TEST\.ts \(No such file or directory\): check the path"):
        load_dataset(f"{tmp_path / 's_TRAIN.ts'}, {tmp_path / 't_TEST.ts'}")


@pytest.mark.parametrize("source", ["one.ts", "a.ts,b.ts,c.ts", ",b.ts"])
def test_not_a_pair(source: str) -> None:
    with pytest.raises(InputError, match=r"does not name two \.ts files: give the training and the test file as TRAIN\.ts,TEST\.ts"):
        load_dataset(source)


def test_one_long_recording_among_thousands_of_short_ones_is_refused_before_it_is_filled_up(tmp_path: Path) -> None:
    """80 KB that would become 3 GB of zeros."""
    header = "@problemName p\n@timeStamps false\n@classLabel true a b\n@data\n"
    path = tmp_path / "a.ts"
    path.write_text(header + ",".join(["1"] * 40_000) + ":a\n" + "1:b\n" * 10_000)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"the longest recording has 40,000 readings, all 10,001 together 50,000"):
        read_ts_pair(path, path)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
