from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data import load_dataset
from rescomp.errors import InputError
from rescomp.recipe import DataSection

INT = np.int64


def x_with(value: float, where: tuple[int, int, int], dtype: str = "float64") -> Any:
    x = np.zeros((4, 5, 2), dtype)
    x[where] = value
    return x


def test_shapes_types_and_names(write_npz: Any) -> None:
    data = load_dataset(write_npz())
    assert data.name == "set"
    assert data.classes == ("0", "1")
    assert data.train.x.shape == (4, 5, 2)
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == data.train.lengths.dtype == np.int64
    assert data.train.lengths.tolist() == [3, 5, 1, 4]
    assert len(data.test) == 2
    assert data.train.steps.shape == (13, 2)


def test_padding_is_zeroed_whatever_it_holds(write_npz: Any) -> None:
    x = np.ones((4, 5, 2))
    x[0, 3:] = np.nan
    x[2, 1:] = np.inf
    train = load_dataset(write_npz(x_train=x)).train
    assert train.x[train.valid].min() == 1
    assert not train.x[~train.valid].any()


def test_the_padded_time_is_cut_to_the_longest(write_npz: Any) -> None:
    assert load_dataset(write_npz(lengths_train=np.array([3, 2, 1, 3]))).train.x.shape == (4, 3, 2)


def test_without_lengths_every_step_counts(write_npz: Any) -> None:
    assert load_dataset(write_npz(lengths_train=None, lengths_test=None)).train.lengths.tolist() == [5] * 4


def test_lengths_in_the_singular(write_npz: Any) -> None:
    path = write_npz(lengths_train=None, lengths_test=None, length_train=np.array([1, 2, 3, 4]), length_test=np.array([5, 5]))
    assert load_dataset(path).train.lengths.tolist() == [1, 2, 3, 4]


def test_two_dimensions_are_one_channel(write_npz: Any) -> None:
    assert load_dataset(write_npz(x_train=np.ones((4, 5)), x_test=np.ones((2, 5)))).train.x.shape == (4, 5, 1)


def test_one_step_sequences(write_npz: Any) -> None:
    path = write_npz(x_train=np.ones((4, 1, 2)), x_test=np.ones((2, 1, 2)), lengths_train=None, lengths_test=None)
    assert load_dataset(path).train.lengths.tolist() == [1] * 4


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", ">i2"])
def test_integers_stay_integers(write_npz: Any, dtype: str) -> None:
    data = load_dataset(write_npz(x_train=np.full((4, 5, 2), 77, dtype), x_test=np.zeros((2, 5, 2), dtype)))
    assert data.train.is_integer
    assert data.train.x.dtype == np.int32
    assert data.train.x.max() == 77


def test_string_labels_are_sorted_classes(write_npz: Any) -> None:
    data = load_dataset(write_npz(y_train=np.array(["walk", "sit", "walk", "sit"]), y_test=np.array(["sit", "walk"])))
    assert data.classes == ("sit", "walk")
    assert data.train.y.tolist() == [1, 0, 1, 0]
    assert data.test.y.tolist() == [0, 1]


def test_class_names(write_npz: Any) -> None:
    names = np.array(["walk", "sit"])
    assert load_dataset(write_npz(classes=names)).classes == ("walk", "sit")
    data = load_dataset(write_npz(classes=names, y_train=np.array(["walk", "sit"] * 2), y_test=np.array(["sit", "walk"])))
    assert data.train.y.tolist() == [0, 1, 0, 1]


def test_boolean_labels(write_npz: Any) -> None:
    assert load_dataset(write_npz(y_train=np.array([True, False] * 2), y_test=np.array([True, False]))).train.y.tolist() == [1, 0, 1, 0]


def test_digest_is_of_the_content(write_npz: Any, tmp_path: Path) -> None:
    first = load_dataset(write_npz())
    with np.load(tmp_path / "set.npz") as archive:
        arrays = dict(archive)
    padded = np.full((4, 9, 2), np.nan)
    padded[:, :5] = arrays["x_train"]
    np.savez_compressed(tmp_path / "other.npz", **(arrays | {"x_train": padded.astype(">f8"), "extra": np.zeros(3)}))
    assert load_dataset(str(tmp_path / "other.npz")).digest == first.digest
    for key, value in (
        ("x_test", -0.5),
        ("y_test", np.array([0, 1])),
        ("lengths_train", np.array([3, 5, 2, 4])),
        ("classes", np.array(["a", "b"])),
    ):
        changed = arrays[key] + value if key == "x_test" else value
        assert load_dataset(write_npz(**{key: changed})).digest != first.digest, key


def test_negative_zero_has_the_digest_of_zero(write_npz: Any) -> None:
    assert load_dataset(write_npz(x_train=np.full((4, 5, 2), -0.0))).digest == load_dataset(write_npz(x_train=np.zeros((4, 5, 2)))).digest


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"x_train": None}, "has no array 'x_train' (it holds y_train, x_test, y_test, lengths_train, lengths_test): add it"),
    (
        {"x_train": None, "X_train": np.zeros((4, 5, 2))},
        "has no array 'x_train' (it holds y_train, x_test, y_test, lengths_train, lengths_test, X_train): did you mean 'X_train'?",
    ),
    (
        {"lengths_train": None, "lenghts_train": np.ones(4, INT)},
        "has an array 'lenghts_train', which is not read: did you mean 'lengths_train'?",
    ),
    (
        {"lengths": np.ones(4, INT)},
        "has an array 'lengths', which is not read: name it for its split, lengths_train and lengths_test",
    ),
    ({"lengths_test": None}, "has lengths for the train split and none for the test split: add 'lengths_test'"),
    ({"length_train": np.ones(4, INT)}, "has both 'lengths_train' and 'length_train': keep one"),
    (
        {"x_train": np.zeros(4)},
        ": the train split has x of shape [4]: reshape it to [sequences, time, channels], [sequences, time] for one channel, or",
    ),
    ({"x_test": np.zeros((2, 5, 2, 1))}, ": the test split has samples of shape [5, 2, 1] and the train split [5, 2]: store both alike"),
    ({"x_test": np.zeros((2, 5, 3))}, ": the test split has 3 channels and the train split has 2: store the same channels in both"),
    ({"x_test": np.zeros((2, 5, 2), int)}, ": the test split holds int64 and the train split float64: store integers in both or neither"),
    (
        {"x_train": np.zeros((4, 5, 2), complex)},
        ": the train split holds values of type complex128: store floating-point numbers or integers",
    ),
    ({"x_train": np.zeros((4, 5, 2), "U3")}, ": the train split holds values of type <U3"),
    (
        {"x_test": np.zeros((0, 5, 2))},
        ": the test split is empty (x has shape [0, 5, 2]): it needs a sequence, a time step and a channel at least",
    ),
    ({"x_train": np.zeros((4, 0, 2))}, ": the train split is empty (x has shape [4, 0, 2])"),
    (
        {"x_train": x_with(np.nan, (3, 2, 1))},
        ": the train split holds nan at sequence 3, step 2, channel 1 (counting from 0), "
        "which is not a finite number: repair it or drop the sequence",
    ),
    ({"x_train": x_with(-np.inf, (1, 4, 0))}, ": the train split holds -inf at sequence 1, step 4, channel 0"),
    ({"x_train": x_with(1e300, (1, 4, 0))}, ": the train split holds 1e+300 at sequence 1, step 4, channel 0"),
    (
        {"x_train": x_with(2**40, (3, 1, 0), "int64"), "x_test": np.zeros((2, 5, 2), int)},
        ": the train split holds 1099511627776 at sequence 3, step 1, channel 0 (counting from 0), "
        "which is beyond 32 bits: scale it, or store floating-point numbers",
    ),
    (
        {"lengths_train": np.array([3, 0, 1, 4])},
        ": the train split has length 0 at sequence 1, outside 1..5: correct it or drop the sequence",
    ),
    ({"lengths_test": np.array([2, 6])}, ": the test split has length 6 at sequence 1, outside 1..5"),
    ({"lengths_test": np.array([-2, 5])}, ": the test split has length -2 at sequence 0, outside 1..5"),
    (
        {"lengths_test": np.array([2.0, 5.0])},
        ": the test split has lengths of shape [2] and type float64 for 2 sequences: store one integer a sequence",
    ),
    ({"lengths_test": np.array([2])}, ": the test split has lengths of shape [1] and type int64 for 2 sequences"),
    ({"y_train": np.array([0.0, 1.0, 0.0, 1.0])}, ": the train split has labels of type float64: store integers 0..classes-1 or strings"),
    ({"y_train": np.array([0, 1, 0])}, ": the train split has labels of shape [3] for 4 sequences: store one label a sequence"),
    ({"y_train": np.array([[0], [1], [0], [1]])}, ": the train split has labels of shape [4, 1] for 4 sequences"),
    (
        {"y_test": np.array(["a", "b"])},
        ": the test split has labels of another type than the train split: store integers or strings in both",
    ),
    ({"y_train": np.array([0, -1, 0, 1])}, ": the train split has label -1 at sequence 1: labels are 0..classes-1"),
    (
        {"y_train": np.array([1, 2, 2, 1])},
        ": the train split has labels 1..2 and no sequence of class 0: number the classes from 0 without gaps",
    ),
    ({"y_train": np.array([0, 10**12, 0, 1])}, ": the train split has labels 0..1000000000000 and no sequence of class 2"),
    (
        {"y_test": np.array([0, 2])},
        ": the test split has class '2' at sequence 1, which is never seen in training: add it there or drop it here",
    ),
    ({"y_test": np.array([0, -2])}, ": the test split has label -2 at sequence 1, outside 0..1: correct it"),
    ({"y_train": np.array([0, 0, 0, 0]), "y_test": np.array([0, 0])}, ": the train split has one class only (0): a classifier needs two"),
    (
        {"y_train": np.array(["a", "b", "b", "a"]), "y_test": np.array(["a", "c"])},
        ": the test split has class 'c' at sequence 1, which is never seen in training",
    ),
    ({"classes": np.array(["a", "b", "c"])}, ": the train split has no sequence of class 'c': add some or remove the class"),
    (
        {"classes": np.array(["a", "b"]), "y_train": np.array([0, 1, 2, 1])},
        ": the train split has label 2 at sequence 2, outside 0..1: correct it",
    ),
    ({"classes": np.array(["a", "a"])}, ": the class names repeat (a, a): give each class its own name"),
    ({"classes": np.array([0.5, 1.5])}, ": 'classes' has shape [2] and type float64: store one name a class, as strings"),
    (
        {"classes": np.array(["walk", "sit"]), "y_train": np.array(["walk", "sit", "wlak", "sit"]), "y_test": np.array(["sit", "walk"])},
        ": the train split has label 'wlak' at sequence 2, not one of the 2 classes: did you mean 'walk'?",
    ),
    (
        {"classes": np.array(["walk", "sit"]), "y_train": np.array(["walk", "sit", "zzz", "sit"]), "y_test": np.array(["sit", "walk"])},
        "not one of the 2 classes: correct it or add the class",
    ),
    (
        {"y_train": np.array([0, 1, None, 1], dtype=object)},
        ": 'y_train' is an object array, which rescomp does not read: store numbers or strings",
    ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused(write_npz: Any, changes: dict[str, Any], message: str) -> None:
    path = write_npz(**changes)
    with pytest.raises(InputError) as caught:
        load_dataset(path)
    assert str(caught.value).startswith(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file() -> None:
    with pytest.raises(InputError, match=r"^cannot read nowhere/set\.npz \(No such file or directory\): check the path$"):
        load_dataset("nowhere/set.npz")


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match=r"cannot read .*folder\.npz \(Is a directory\)"):
        load_dataset(str(tmp_path / "folder.npz"))


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file(write_npz: Any, kept: float) -> None:
    path = Path(write_npz())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match=r"is not a readable \.npz archive \(.*\): it may be truncated, write or copy it again$"):
        load_dataset(str(path))


def test_any_damaged_byte_is_an_input_error_or_harmless(write_npz: Any, tmp_path: Path) -> None:
    """No other exception may escape, whatever byte is hit."""
    data = Path(write_npz()).read_bytes()
    damaged = tmp_path / "damaged.npz"
    messages = []
    for position in range(0, len(data), 7):
        damaged.write_bytes(data[:position] + bytes([data[position] ^ 0x5A]) + data[position + 1 :])
        try:
            load_dataset(str(damaged))
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert not any("\n" in message for message in messages)


def test_text_instead_of_an_archive(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("time,x,y\n1,2,3\n")
    with pytest.raises(InputError, match=r"text\.npz is not a readable \.npz archive"):
        load_dataset(str(tmp_path / "text.npz"))


def test_a_single_array(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(
        InputError, match=r"one\.npz holds a single array: save x_train, y_train, x_test, y_test together with numpy\.savez$"
    ):
        load_dataset(str(tmp_path / "one.npz"))


def test_a_member_that_is_no_array(write_npz: Any) -> None:
    path = write_npz()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(InputError, match=r"'notes\.txt' is not an array: save only arrays in it"):
        load_dataset(path)


def test_what_an_archiver_leaves_in_it_is_no_array(write_npz: Any) -> None:
    path = write_npz()
    digest = load_dataset(path).digest
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("__MACOSX/._x_train.npy", ".DS_Store", "__MACOSX/"):
            archive.writestr(name, b"\0\5\26\7")
    assert load_dataset(path).digest == digest


@pytest.mark.parametrize("name", ["SET.NPZ", "Set.Npz"])
def test_a_suffix_in_capitals(write_npz: Any, tmp_path: Path, name: str) -> None:
    digest = load_dataset(write_npz()).digest
    Path(write_npz()).rename(tmp_path / name)
    assert load_dataset(str(tmp_path / name)).digest == digest


def test_groups_of_the_training_sequences(write_npz: Any) -> None:
    plain, grouped = load_dataset(write_npz()), load_dataset(write_npz(group_train=np.array(["b", "a", "b", "c"]), group_test=np.arange(2)))
    assert plain.train.groups is None
    assert grouped.train.groups.tolist() == [1, 0, 1, 2]
    assert grouped.test.groups is None
    assert plain.digest != grouped.digest


@pytest.mark.parametrize("groups", [np.arange(3), np.zeros(4), np.zeros((4, 1), int)])
def test_unusable_groups(write_npz: Any, groups: Any) -> None:
    with pytest.raises(InputError, match=r"the train split has groups of shape .* for 4 sequences: store one integer or string a sequence"):
        load_dataset(write_npz(group_train=groups))


def test_misspelt_groups(write_npz: Any) -> None:
    with pytest.raises(InputError, match=r"'groups_train', which is not read: did you mean 'group_train'\?"):
        load_dataset(write_npz(groups_train=np.arange(4)))


def pictures(count: int, dtype: str = "uint8", high: int = 256) -> Any:
    return np.random.default_rng(count).integers(0, high, (count, 3, 5, 2)).astype(dtype)


def write_pictures(write_npz: Any, **changes: Any) -> str:
    plain = {"x_train": pictures(4), "x_test": pictures(2), "lengths_train": None, "lengths_test": None}
    return str(write_npz(**{**plain, **changes}))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int64"])
def test_images_of_integers_stay_integers_of_16_bits(write_npz: Any, dtype: str) -> None:
    x = pictures(4, high=128).astype(dtype)
    data = load_dataset(write_pictures(write_npz, x_train=x))
    assert data.train.x.dtype == data.test.x.dtype == np.int16
    np.testing.assert_array_equal(data.train.x, x)
    assert data.train.channels == 2
    assert data.train.lengths.tolist() == [3] * 4
    assert data.train.steps.shape == (4 * 3 * 5, 2)


def test_images_beyond_16_bits_stay_whole(write_npz: Any) -> None:
    x = pictures(4, "int64", 40000)
    assert load_dataset(write_pictures(write_npz, x_train=x)).train.x.dtype == np.int32


def test_images_of_numbers(write_npz: Any) -> None:
    data = load_dataset(write_pictures(write_npz, x_train=pictures(4) / 255, x_test=pictures(2) / 255))
    assert data.train.x.dtype == np.float32
    assert data.train.x.shape == (4, 3, 5, 2)


def test_equal_images_have_equal_digests_whatever_their_type(write_npz: Any) -> None:
    first = load_dataset(write_pictures(write_npz, x_train=pictures(4, high=99))).digest
    second = load_dataset(write_pictures(write_npz, x_train=pictures(4, "int64", 99))).digest
    other = load_dataset(
        write_pictures(write_npz, x_train=pictures(4, high=99).transpose(0, 2, 1, 3), x_test=pictures(2).transpose(0, 2, 1, 3))
    )
    assert first == second != other.digest


def test_sequences_of_integers_stay_32_bits(write_npz: Any) -> None:
    data = load_dataset(write_npz(x_train=np.ones((4, 5, 2), np.int8), x_test=np.ones((2, 5, 2), np.uint8)))
    assert data.train.x.dtype == data.test.x.dtype == np.int32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": np.zeros(4)},
            r"train.* has x of shape \[4\]: reshape it to \[sequences, time, channels\].*or \[samples, height, width, channels\] for images",
        ),
        ({"x_train": np.zeros((4, 1, 1, 1, 1))}, r"has x of shape \[4, 1, 1, 1, 1\]: reshape it"),
        ({"x_train": np.zeros((4, 3, 0, 2))}, r"is empty \(x has shape \[4, 3, 0, 2\]\)"),
        (
            {"x_test": np.zeros((2, 3, 4, 2))},
            r"the test split has samples of shape \[3, 4, 2\] and the train split \[3, 5, 2\]: store both alike",
        ),
        ({"x_test": np.zeros((2, 3, 5, 3))}, r"the test split has samples of shape \[3, 5, 3\] and the train split \[3, 5, 2\]"),
        ({"x_test": np.zeros((2, 3, 5))}, r"the test split has samples of shape \[3, 5\] and the train split \[3, 5, 2\]"),
        ({"x_train": np.full((4, 3, 5, 2), np.nan)}, "not a finite number"),
    ],
)
def test_images_that_do_not_fit(write_npz: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_dataset(write_pictures(write_npz, **changes))


def unsplit(**changes: Any) -> dict[str, Any]:
    """Forty sequences of two classes and ten groups of two channels, in place of the split ones."""
    rng = np.random.default_rng(1)
    arrays = dict.fromkeys(("x_train", "y_train", "x_test", "y_test", "lengths_train", "lengths_test"))
    x, y, group = rng.normal(size=(40, 5, 2)), np.arange(40) % 2, np.repeat(np.arange(10), 4)
    return {**arrays, "x": x, "y": y, "lengths": 1 + np.arange(40) % 5, "group": group, **changes}


def test_arrays_without_a_split_are_split_by_group(write_npz: Any) -> None:
    arrays = unsplit()
    data = load_dataset(write_npz(**arrays))
    assert (len(data.train), len(data.test)) == (32, 8)
    groups = [{tuple(row) for row in split.x[:, 0].tolist()} for split in (data.train, data.test)]
    by_group = [{tuple(row) for row in arrays["x"][arrays["group"] == group][:, 0].astype(np.float32).tolist()} for group in range(10)]
    assert all(any(whole <= side for side in groups) for whole in by_group)
    assert sorted(data.train.lengths.tolist() + data.test.lengths.tolist()) == sorted(arrays["lengths"].tolist())
    assert data.train.groups is not None
    assert data.test.groups is None
    assert data.facts["split"] == "group"
    assert load_dataset(DataSection.of(write_npz(**arrays), split_seed=1)).digest != data.digest
    assert len(load_dataset(DataSection.of(write_npz(**arrays), test_fraction=0.5)).test) == 20


def test_arrays_without_a_split_and_groups_are_drawn_class_by_class(write_npz: Any) -> None:
    data = load_dataset(DataSection.of(write_npz(**unsplit(group=None)), test_fraction=0.3))
    assert (np.bincount(data.train.y).tolist(), np.bincount(data.test.y).tolist()) == ([14, 14], [6, 6])
    assert load_dataset(DataSection.of(write_npz(**unsplit(group=None)), test_fraction=0.3)).digest == data.digest


def test_the_last_sequences_of_each_class_go_to_test(write_npz: Any) -> None:
    arrays = unsplit(x=np.arange(400.0).reshape(40, 5, 2), lengths=None)
    data = load_dataset(DataSection.of(write_npz(**arrays), split="time", test_fraction=0.1))
    assert data.test.x[:, 0, 0].tolist() == [360.0, 370.0, 380.0, 390.0]


NOT_SPLIT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"y": None}, {}, " has no array 'y' (it holds x, lengths, group): add it"),
    ({"y": np.arange(39) % 2}, {}, " has 'y' of shape [39] for 40 sequences: one each"),
    ({"group": np.zeros((40, 2), INT)}, {}, " has 'group' of shape [40, 2] for 40 sequences: one each"),
    ({"group": np.zeros(40, INT)}, {}, " has one group only (0), which cannot stand on both sides of the split: record another one"),
    ({"group": np.zeros(40)}, {}, " has groups of type float64: store one integer or string a sequence"),
    ({"group": np.arange(40) % 2}, {}, ": class 0 cannot stand on both sides of the split (it has 1 group): record more, or store"),
    ({"y": np.append(np.zeros(39, INT), 1), "group": None}, {}, ": class 1 cannot stand on both sides of the split (it has 1 sequence)"),
    ({"y": np.zeros(40)}, {}, " has 'y' of type float64 and shape [40]: store integers or strings"),
    ({"groups": np.zeros(40)}, {}, " has an array 'groups', which is not read: did you mean 'group'?"),
    ({"length": np.zeros(40)}, {}, " has an array 'length', which is not read: did you mean 'lengths'?"),
    ({}, {"split": "hash"}, "data.split = 'hash' is for WAV files, and "),
    ({}, {"window": 3}, "data.window is for CSV logs and WAV files, and "),
]


@pytest.mark.parametrize(("changes", "keys", "message"), NOT_SPLIT)
def test_what_cannot_be_split_is_refused(write_npz: Any, changes: dict[str, Any], keys: dict[str, Any], message: str) -> None:
    path = write_npz(**unsplit(**changes))
    with pytest.raises(InputError) as caught:
        load_dataset(DataSection.of(path, **keys))
    assert message in str(caught.value)


@pytest.mark.parametrize("keys", [{"test_fraction": 0.3}, {"split_seed": 1}, {"split": "time"}])
def test_what_is_split_already_is_not_split_again(write_npz: Any, keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"data.{next(iter(keys))} is for .*arrays without a split, and .* is none: leave it out"):
        load_dataset(DataSection.of(write_npz(), **keys))


def test_channels_and_units_have_names(write_npz: Any) -> None:
    data = load_dataset(write_npz(channels=np.array(["x", "y"]), unit=np.array("m/s2")))
    assert (data.channels, data.unit) == (("x", "y"), "m/s2")
    assert load_dataset(write_npz(unit=np.array(["g", "g"]))).unit == "g"
    assert load_dataset(write_npz(unit=np.array(["g", "deg/s"]))).unit == "g, deg/s"
    assert load_dataset(write_npz(**unsplit(channels=np.array(["x", "y"])))).channels == ("x", "y")


NAMES: list[tuple[dict[str, Any], str]] = [
    ({"channels": np.array(["x"])}, ": 'channels' has shape [1] and type <U1, and there are 2: store one name a channel, as strings"),
    ({"channels": np.array([1, 2])}, ": 'channels' has shape [2] and type int64, and there are 2"),
    ({"channels": np.array(["x", "x"])}, ": the channel names repeat (x, x): give each channel its own name"),
    ({"channels": np.array(["x", "y\x1b[2J"])}, "holds a control character"),
    ({"unit": np.array(1)}, ": 'unit' has shape [] and type int64: store one text, 'm/s2' for instance, or one a channel"),
    ({"unit": np.array(["a", "b", "c"])}, ": 'unit' has shape [3] and type <U1"),
    ({"unit": np.array("m\x1b[2J")}, "holds a control character"),
    ({"channel": np.array(["x", "y"])}, " has an array 'channel', which is not read: did you mean 'channels'?"),
    ({"units": np.array("g")}, " has an array 'units', which is not read: did you mean 'unit'?"),
]


@pytest.mark.parametrize(("changes", "message"), NAMES)
def test_names_that_are_none_are_refused(write_npz: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(write_npz(**changes))
    assert message in str(caught.value)
    assert "\x1b" not in str(caught.value)
