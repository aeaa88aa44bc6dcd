"""Nets trained on WAV files: whose clips are validation, and clips changed anew in every epoch."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from rescomp.data.augmentation import AugmentedClips
from rescomp.data.clip_sources import load_clips
from rescomp.data.noise import RecordedNoise
from rescomp.data.wav import read_header
from rescomp.errors import InputError
from rescomp.frontend.clips import feature_split
from rescomp.frontend.lowering import frontend_graph
from rescomp.graph.sound import numpy_features
from rescomp.model_directory import FLOAT_NET, MANIFEST
from rescomp.models import build
from rescomp.recipe import DataSection, load_recipe, refuse_unread
from rescomp.stages import features
from rescomp.stages.augmented import epoch_data
from rescomp.stages.beginning import train_model
from rescomp.stages.features import load_readings
from rescomp.stages.listener import Silent
from rescomp.stages.net_readings import training_data
from rescomp.stages.quantization import quantize
from rescomp.stages.withheld import withheld
from rescomp.tests.data.wav_files import write_wav

RATE = 8000


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Three speakers' high and low tones as WAV files, with lists, and noise."""
    folder, rng = tmp_path_factory.mktemp("spoken"), np.random.default_rng(0)
    for word, pitch in (("low", 300), ("high", 1400)):
        for speaker in range(5):
            wave = 6000 * np.sin(2 * np.pi * pitch * np.arange(1200) / RATE) + rng.normal(size=1200) * 300
            write_wav(folder / word / f"{speaker:08x}_nohash_0.wav", np.round(wave), RATE)
    write_wav(folder / "_background_noise_" / "hum.wav", np.round(rng.normal(size=4000) * 500), RATE)
    (folder / "testing_list.txt").write_text("low/00000000_nohash_0.wav\nhigh/00000000_nohash_0.wav\n")
    (folder / "validation_list.txt").write_text("low/00000003_nohash_0.wav\nhigh/00000001_nohash_0.wav\n")
    return folder


CHANGED = ("augment.gain=6", "augment.shift=10", "augment.snr=[5,20]")


def recipe_of(source, *asked):
    front = ("frontend.length=200", "frontend.hop=160", "frontend.bands=6")
    quick = ("train.epochs=2", "quantize.epochs=1", "train.batch_size=4", "model.kind=gru", "model.hidden_size=4")
    return load_recipe(None, [f"data.source={source}", "data.split=lists", *front, *quick, *asked])


def float_net(path, recipe):
    train_model(recipe, path)
    return (path / FLOAT_NET).read_bytes()


def test_the_listed_clips_are_the_validation_part_where_there_is_one(spoken):
    recipe, dataset = load_readings(recipe_of(spoken, "train.validation_fraction=0.4"))
    training, validation = training_data(recipe, dataset.train)
    assert (len(training), validation.groups.tolist()) == (6, [0, 2])
    assert np.array_equal(validation.x, dataset.train.x[dataset.clips.kept_for_validation])
    assert np.array_equal(dataset.train.spans, dataset.clips.train.spans)
    plain, dataset = load_readings(recipe_of(spoken))
    assert [len(part) if part else 0 for part in training_data(plain, dataset.train)] == [8, 0]


def test_what_was_done_to_the_samples_is_told(spoken, monkeypatch):
    told = []
    noted = dataclasses.replace(load_clips(DataSection(source=str(spoken), split="lists")), notes=("2 WAV files are resampled",))
    monkeypatch.setattr(features, "load_clips", lambda *_, **__: noted)
    listener = Silent()
    monkeypatch.setattr(listener, "warning", told.append, raising=False)
    load_readings(recipe_of(spoken), listener=listener)
    assert told.count("2 WAV files are resampled") == 1


def test_an_epoch_s_data_are_the_features_of_the_changed_training_clips(spoken):
    recipe, dataset = load_readings(recipe_of(spoken, *CHANGED, "train.validation_fraction=0.4"))
    net = build(recipe.model, 6, 2)
    anew, rows = epoch_data(recipe, net, dataset, 7), np.flatnonzero(~dataset.clips.kept_for_validation)
    hum = RecordedNoise([read_header(spoken / "_background_noise_" / "hum.wav")], RATE)
    wanted = AugmentedClips(dataset.clips.train.take(rows), rows, recipe.augment, hum, recipe.train.seed, 9)
    made = feature_split(wanted, dataset.front_end, numpy_features(frontend_graph(dataset.front_end)), "clips")
    assert np.array_equal(anew(2).x, made.x)
    assert (anew(2).y.tolist(), anew(2).groups.tolist()) == (made.y.tolist(), made.groups.tolist())
    assert not np.array_equal(anew(1).x, anew(2).x)
    assert not np.array_equal(anew(2).x, dataset.train.x[rows])


def test_a_candidate_of_a_search_hears_the_noise_that_its_recipe_does(spoken, tmp_path):
    """Test silence is of files that no validation silence is of; a search, which sees none of it, adds none of it either."""
    source = shutil.copytree(spoken, tmp_path / "spoken")
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=4000) * 500
        write_wav(source / "_background_noise_" / f"{seed}.wav", np.round(noise), RATE)
    recipe, dataset = load_readings(recipe_of(source, *CHANGED, "data.silence=0.5", "train.validation_fraction=0.4"))
    net = build(recipe.model, 6, 3)
    trained, candidate = (epoch_data(recipe, net, each) for each in (dataset, withheld(recipe, dataset)))
    assert all(np.array_equal(trained(epoch).x, candidate(epoch).x) for epoch in range(1, 5))


def test_changed_clips_train_another_net_and_the_same_ones_the_same(spoken, tmp_path):
    nets = [
        float_net(tmp_path / str(n), recipe_of(spoken, *asked))
        for n, asked in enumerate((CHANGED, CHANGED, (), (*CHANGED, "train.seed=1")))
    ]
    assert nets[0] == nets[1]
    assert len(set(nets)) == 3
    manifest = json.loads((tmp_path / "0" / MANIFEST).read_text())
    assert (manifest["data"]["split"], manifest["data"]["files"], manifest["data"]["train_sequences"]) == ("lists", 10, 8)
    quantize(tmp_path / "0")
    assert json.loads((tmp_path / "0" / MANIFEST).read_text())["accuracy"]["integer"] is not None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("augment=true",), r"\[augment\] changes nothing: set speed, shift, snr or gain"),
        (("augment.noise=pink",), r"augment\.noise is what is added at augment\.snr"),
        (("augment.noise_share=0.5",), r"augment\.noise_share is of clips that noise is added to"),
        (("augment.gian=6",), r"unknown key 'augment\.gian'; the nearest one is 'gain'"),
        ((*CHANGED, "frontend=false"), r"\[augment\] changes samples before a front-end, and there is none"),
    ],
)
def test_what_augment_cannot_do_is_refused(spoken, asked, message):
    with pytest.raises(InputError, match=message):
        refuse_unread(recipe_of(spoken, *asked))


def test_noise_that_cannot_be_read_is_refused_before_the_training(spoken, tmp_path):
    with pytest.raises(InputError, match="holds no WAV file of noise"):
        train_model(recipe_of(spoken, "augment.snr=10", f"augment.noise={tmp_path / 'absent'}"), tmp_path / "m")
    assert not (tmp_path / "m").exists()
