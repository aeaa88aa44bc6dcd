"""Folders of images."""

import numpy as np
import pytest

from rescomp.data.dataset import load_dataset
from rescomp.errors import InputError
from rescomp.recipe import DataSection

Image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")


def save(folder, count, value, size=(6, 4), mode="RGB", suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    for i in range(count):
        Image.fromarray(np.full(shape, value + i, np.uint8)).save(folder / f"{i:02}.{suffix}")


def test_train_and_test_folders(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        save(tmp_path / split / "cat", count, 10)
        save(tmp_path / split / "dog", count, 100)
    dataset = load_dataset(str(tmp_path))
    assert dataset.classes == ("cat", "dog")
    assert dataset.train.x.shape == (6, 4, 6, 3)
    assert dataset.train.x.dtype == np.int16
    assert dataset.train.x[:, 0, 0, 0].tolist() == [10, 11, 12, 100, 101, 102]
    assert dataset.train.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.test.x.shape == (4, 4, 6, 3)


@pytest.mark.parametrize(("key", "value"), [("test_fraction", 0.5), ("split_seed", 3)])
def test_keys_of_a_split_beside_folders_that_are_split_are_refused(tmp_path, key, value):
    for split in ("train", "test"):
        save(tmp_path / split / "cat", 2, 10)
        save(tmp_path / split / "dog", 2, 100)
    with pytest.raises(InputError, match=rf"data\.{key} splits images, and .* has a folder train and a folder test: leave it out"):
        load_dataset(DataSection(source=str(tmp_path), **{key: value}))


def test_a_part_of_each_class_is_held_out(tmp_path):
    save(tmp_path / "a", 8, 0, mode="L")
    save(tmp_path / "b", 4, 100, mode="L")
    dataset = load_dataset(DataSection(source=str(tmp_path), test_fraction=0.25, split_seed=3))
    assert np.bincount(dataset.train.y).tolist() == [6, 3]
    assert np.bincount(dataset.test.y).tolist() == [2, 1]
    seen = np.concatenate([dataset.train.x, dataset.test.x])[:, 0, 0, 0]
    assert sorted(seen.tolist()) == [*range(8), *range(100, 104)]
    assert dataset.train.x.shape[1:] == (4, 6, 1)
    again = load_dataset(DataSection(source=str(tmp_path), test_fraction=0.25, split_seed=4))
    assert again.digest != dataset.digest


LEFT_BEHIND = ("a/._00.png", "a/.thumbs/00.png", ".ipynb_checkpoints/00.png", "__MACOSX/._00.png", "__MACOSX/a/00.png", "a/~$00.png")


@pytest.mark.parametrize("split", [False, True])
def test_what_systems_and_editors_leave_behind_is_no_class_and_no_image(tmp_path, split):
    for folder in (tmp_path / "train", tmp_path / "test") if split else (tmp_path,):
        save(folder / "a", 4, 0)
        save(folder / "b", 4, 100, suffix="PNG")
    dataset = load_dataset(str(tmp_path))
    for folder in {tmp_path, tmp_path / "train"} if split else (tmp_path,):
        for name in LEFT_BEHIND:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"no image")
    again = load_dataset(str(tmp_path))
    assert (again.digest, again.classes) == (dataset.digest, ("a", "b"))


def test_refusals(tmp_path):
    save(tmp_path / "a", 2, 0)
    save(tmp_path / "b", 2, 9, size=(5, 5))
    with pytest.raises(InputError, match=r"b/00.png holds 5 x 5 pixels of 3 channels and the first image has 6 x 4"):
        load_dataset(str(tmp_path))
    save(tmp_path / "b", 2, 9, mode="L")
    with pytest.raises(InputError, match="6 x 4 pixels of 1 channel and"):
        load_dataset(str(tmp_path))
    (tmp_path / "b" / "00.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b/00.png is no readable image"):
        load_dataset(str(tmp_path))
    with pytest.raises(InputError, match=r"data.window is for CSV logs"):
        load_dataset(DataSection(source=str(tmp_path), window=5))


def test_a_truncated_image_is_named(tmp_path):
    save(tmp_path / "a", 2, 0, size=(64, 64))
    save(tmp_path / "b", 2, 50, size=(64, 64))
    path = tmp_path / "a" / "01.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"a/01.png is no readable image"):
        load_dataset(str(tmp_path))


def test_one_image_a_class_cannot_be_held_out(tmp_path):
    save(tmp_path / "a", 1, 0)
    save(tmp_path / "b", 1, 50)
    with pytest.raises(InputError, match="has one image a class, and none can be held out for test: add images"):
        load_dataset(str(tmp_path))
