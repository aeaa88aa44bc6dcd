"""One keyword against the rest, in 1 KB: false rejects, and false accepts an hour with their bound, pooled over folds of speakers.

    export RESCOMP_BENCHMARK_DATA=FOLDER                              (holds gsc_v1_9words.npz; or --data-folder FOLDER)
    python benchmarks/keyword_alone.py --work DIRECTORY               four folds; `alone` in keywords.json, which docs/keywords.md tells
    python benchmarks/keyword_alone.py --work DIRECTORY --set train.epochs=1 --set quantize.epochs=1 --print    a try: nothing is kept

Of the nine words one is the keyword. The others play `unknown`, two of them without ever being trained on; noise that is drawn plays
`silence`. The speakers of the training part are in four folds: each model is trained on three, its decision chosen on a quarter of those
speakers, and judged on the clips of the fourth, in a row in five orders. The test part is not read. Finished models under --work are not
made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keyword_alone_text import pooled_text
from keywords import FOLDS, RATE, RAW, Arrays, frontend_bytes, named, part, speaker_parts
from page_options import page_parser
from verified_models import counts_of, finish

from rescomp import stages
from rescomp.data.split import Int64Array
from rescomp.model_directory import ModelDirectory, write_atomically
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model

KEYWORD, STRANGERS = "zero", ("five", "right")
"""The keyword, and the two words that are never trained on."""
UNKNOWN, SILENCE = "unknown", "silence"
SILENT = 0.15
"""Clips of noise to each clip of a word."""
ASKED = 20.0
"""False accepts an hour that the decision is chosen for: the quarter of an hour that it is chosen on shows no fewer than some 12."""
SETTINGS = (
    "model.name=word",
    "model.kind=fastgrnn",
    "frontend.kind=log_mel",
    f"frontend.sample_rate={RATE}",
    "frontend.bands=20",
    "train.loop=compiled",
    "train.batch_size=64",
    "train.input_noise=0.4",
    "train.time_shift=4",
    "train.epochs=60",
    "train.validation_fraction=0.25",
    "train.patience=0",
    "quantize.learning_rate=0.01",
    "quantize.epochs=40",
    "quantize.vectors=40",
    f'decide.background=["{UNKNOWN}","{SILENCE}"]',
    f"decide.false_alarms={ASKED}",
)
VARIANTS: Mapping[str, Sequence[str]] = {
    "FastGRNN int4": ("model.hidden_size=26", 'compress=[{kind="quantize",bits=4,scale="power_of_two"},{kind="piecewise_linear"}]'),
    "FastGRNN ternary": (
        "model.hidden_size=44",
        'compress=[{kind="ternary",scale="power_of_two",per="tensor"},{kind="piecewise_linear"}]',
    ),
}


@dataclass(frozen=True)
class Heard:
    """What a fold's model hears of speakers that it was not trained on. wake_words: as of WakeWords.as_json.

    chosen: what the manifest says of the decision. bytes: of const data; frontend_bytes: those among them that only the front-end reads.
    """

    variant: str
    keyword: str
    strangers: tuple[str, ...]
    fold: int
    integer: float
    wake_words: dict[str, Any]
    chosen: dict[str, Any]
    bytes: int
    frontend_bytes: int
    ram: int
    compared: int
    differing: int


def convert(source: Path, work: Path, keyword: str, strangers: Sequence[str]) -> None:
    """An archive a fold: three parts of the training speakers without the strangers, and all clips of the fourth as the test split."""
    work.mkdir(parents=True, exist_ok=True)
    if all(data_file(work, keyword, fold).exists() for fold in range(FOLDS)):
        return
    with np.load(source / "gsc_v1_9words.npz") as pack:
        found = {key: pack[key] for key in pack.files if "test" not in key}
    words = found["classes"].tolist()
    if {keyword, *strangers} - set(words) or keyword in strangers:
        raise SystemExit(f"the keyword and the strangers are different ones of {', '.join(words)}")
    found["x_train"] = found["ulaw_table"][found["x_train_u8"]]
    clips = with_noise(part(found, "train", slice(None)), words.index(keyword))
    member, strange = speaker_parts(clips["group"]), np.isin(clips.pop("word"), [words.index(each) for each in strangers])
    for fold in range(FOLDS):
        rows = {"train": (member != fold) & ~strange, "test": member == fold}
        sides = {side: named({key: array[chosen] for key, array in clips.items()}, side) for side, chosen in rows.items()}
        classes = np.array([keyword, UNKNOWN, SILENCE])
        np.savez(data_file(work, keyword, fold), classes=classes, sample_rate=np.array(RATE), **sides["train"], **sides["test"])


def with_noise(clips: Arrays, keyword: int) -> Arrays:
    """The clips by their three classes, y, and behind them those of noise, as if of speakers' rooms; word: -1 of noise.

    Noise is white to red, at a loudness drawn by decibels: of a clip of some speaker, so that folds are of rooms too.
    """
    rng = np.random.default_rng(11)
    of = rng.choice(len(clips["y"]), round(SILENT * len(clips["y"])), replace=False)
    noise = np.stack([drawn_noise(rng, clips["x"].shape[1]) for _ in of])
    return {
        "x": np.concatenate([clips["x"], noise]),
        "y": np.concatenate([np.where(clips["y"] == keyword, 0, 1), np.full(len(of), 2)]),
        "group": np.concatenate([clips["group"], clips["group"][of]]),
        "word": np.concatenate([clips["y"], np.full(len(of), -1)]),
    }


def drawn_noise(rng: np.random.Generator, samples: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Noise whose power falls by 0 to 6 dB an octave, at 10 to 3000 rms."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** -rng.uniform(0, 1)
    wave = np.fft.irfft(spectrum, samples)
    return np.asarray(np.clip(np.round(wave / wave.std() * 10 ** rng.uniform(1, 3.5)), -32768, 32767), np.int16)


def data_file(work: Path, keyword: str, fold: int) -> Path:
    return work / f"alone-{keyword}-{fold}.npz"


def heard(name: str, fold: int, work: Path, keyword: str, strangers: Sequence[str], overrides: Iterable[str]) -> Heard:
    """Of a model that is trained and verified where it is not finished."""
    path = work / f"alone-{name.replace(' ', '-')}-{keyword}-{fold}"
    source = data_file(work, keyword, fold)
    finish(load_recipe(overrides=[*SETTINGS, *VARIANTS[name], f"data.source={source}", *overrides]), path)
    found, directory, inspection = stages.evaluate(path, source=str(source), stream=True), ModelDirectory.open(path), stages.inspect(path)
    manifest = directory.manifest()
    assert found.streamed is not None
    assert found.streamed.wake_words is not None
    assert found.accuracy is not None
    assert manifest.decision is not None
    return Heard(
        name,
        keyword,
        tuple(strangers),
        fold,
        found.accuracy,
        found.streamed.wake_words.as_json(),
        manifest.decision.model_dump(mode="json", exclude_none=True),
        inspection.bytes["model"],
        frontend_bytes(read_model(directory)),
        inspection.state + inspection.scratch,
        *counts_of(path),
    )


def speakers(work: Path, keyword: str) -> Int64Array:
    """How many speakers are held out in each fold."""
    found = []
    for fold in range(FOLDS):
        with np.load(data_file(work, keyword, fold)) as data:
            found.append(len(set(data["group_test"].tolist())))
    return np.array(found)


def main() -> None:
    parser = page_parser(__doc__)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--keyword", default=KEYWORD)
    parser.add_argument("--strangers", default=",".join(STRANGERS), help="words that are never trained on, with commas")
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the four are run")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--print", action="store_true", dest="only_print", help="keep nothing in keywords.json")
    options = parser.parse_args()
    strangers = [word for word in options.strangers.split(",") if word]
    convert(options.data_folder, options.work, options.keyword, strangers)
    raw = json.loads(RAW.read_text()) if RAW.exists() else {}
    for name in filter(None, options.variants.split(",")):
        runs = range(options.folds)
        found = [asdict(heard(name, fold, options.work, options.keyword, strangers, options.overrides)) for fold in runs]
        print(pooled_text(found), f"{speakers(options.work, options.keyword).sum()} speakers", flush=True)
        raw.setdefault("alone", {})[f"{name}, {options.keyword}"] = found
        if not options.only_print:
            write_atomically(RAW, (json.dumps(raw, indent=None, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    main()
