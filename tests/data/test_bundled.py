from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rescomp.data import Dataset, Split, choose_fraction_bits, load_dataset
from rescomp.data.bundled import names, pack, read_bundled
from rescomp.data.raw import RawDataset, RawSplit
from rescomp.errors import InputError

DIGEST = "386148a8b82d0752370f2a27a6dac90219cf21254940a4b26e8567d13c14747d"
"""Of the .ts files as published."""


@pytest.fixture(scope="module")
def vowels() -> Dataset:
    return load_dataset("japanese_vowels")


def test_the_official_split(vowels: Dataset) -> None:
    assert vowels.name == "japanese_vowels"
    assert (len(vowels.train), len(vowels.test), vowels.train.channels) == (270, 370, 12)
    assert (vowels.train.lengths.sum(), vowels.test.lengths.sum()) == (4274, 5687)
    assert (vowels.test.lengths.min(), vowels.test.lengths.max()) == (7, 29)
    assert vowels.classes == tuple("123456789")
    assert np.bincount(vowels.train.y).tolist() == [30] * 9
    assert np.bincount(vowels.test.y).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert vowels.train.x[0, :2, 0].tolist() == [np.float32(1.860936), np.float32(1.891651)]
    assert choose_fraction_bits(vowels.train) == 12


def test_nothing_changed_since_it_was_made(vowels: Dataset) -> None:
    assert vowels.digest == DIGEST


def as_ts(split: Split, classes: tuple[str, ...]) -> str:
    lines = [f"@problemName JapaneseVowels\n@dimensions {split.channels}\n@classLabel true {' '.join(classes)}\n@data"]
    for x, y, length in zip(split.x.astype(np.float64), split.y, split.lengths, strict=True):
        lines.append(":".join([*(",".join(f"{value:.6f}" for value in channel) for channel in x[:length].T), classes[y]]))
    return "\n".join(lines) + "\n"


def test_the_text_format_gives_the_same_data(vowels: Dataset, tmp_path: Path) -> None:
    (tmp_path / "TRAIN.ts").write_text(as_ts(vowels.train, vowels.classes))
    (tmp_path / "TEST.ts").write_text(as_ts(vowels.test, vowels.classes))
    assert load_dataset(f"{tmp_path / 'TRAIN.ts'},{tmp_path / 'TEST.ts'}").digest == DIGEST


def raw(seed: int, decimals: int) -> RawDataset:
    rng = np.random.default_rng(seed)

    def part(name: str, count: int) -> RawSplit:
        x = rng.integers(-(10**9), 10**9, (count, 6, 3)) / 10**decimals
        return RawSplit("made", name, x, rng.integers(0, 2, count), rng.integers(1, 7, count))  # type: ignore[arg-type]

    return RawDataset("made", part("train", 9), part("test", 4), ("a", "b"))


@pytest.mark.parametrize(("seed", "decimals"), [(0, 0), (1, 3), (2, 6)])
def test_packing_keeps_every_bit(seed: int, decimals: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = raw(seed, decimals)
    np.savez_compressed(tmp_path / "made.npz", **pack(made, decimals))
    monkeypatch.setattr("rescomp.data.bundled._FOLDER", tmp_path)
    assert names() == ("made",)
    found = read_bundled("made")
    for ours, theirs in ((made.train, found.train), (made.test, found.test)):
        assert ours.lengths is not None
        assert theirs.lengths is not None
        assert ours.lengths.tolist() == theirs.lengths.tolist()
        assert ours.labels.tolist() == theirs.labels.tolist()
        for left, right, length in zip(ours.x, theirs.x, ours.lengths, strict=True):
            assert (left[:length] == right[:length]).all()


def test_too_many_decimals_are_not_packed() -> None:
    with pytest.raises(ValueError, match="more than 2 decimals"):
        pack(raw(0, 3), 2)


def test_attribution_stands_beside_the_data() -> None:
    text = (Path(load_dataset.__code__.co_filename).parent / "bundled" / "README.md").read_text()
    for name in names():
        assert f"{name}.npz" in text
    assert "CC BY 4.0" in text
    assert "Kudo" in text


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(InputError, match=r"^no bundled data set is named 'japanese_vowel': did you mean 'japanese_vowels'\?$"):
        load_dataset("japanese_vowel")


def test_an_unknown_name_like_none() -> None:
    with pytest.raises(
        InputError,
        match=r"^no bundled data set is named 'har': give one of japanese_vowels, a \.csv file or folder, a \.npz file or TRAIN\.ts,TEST\.ts$",
    ):
        load_dataset("har")


def test_a_format_that_is_not_read(tmp_path: Path) -> None:
    message = r"is no data that rescomp reads: give a \.csv file or a folder of them, a folder of WAV files or of images, a \.npz file, TRAIN\.ts,TEST\.ts or one of japanese_vowels$"
    (tmp_path / "log.mp3").touch()
    for source in ("log.xlsx", str(tmp_path / "log.mp3")):
        with pytest.raises(InputError, match=message):
            load_dataset(source)
