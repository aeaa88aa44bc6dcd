"""PCM from a recipe to every witness: what nets train on, what golden vectors hold, and what is refused."""

import json
import shutil
from dataclasses import fields

import numpy as np
import pytest

from rescomp.data.dataset import load_dataset
from rescomp.errors import InputError
from rescomp.export.c import translate
from rescomp.frontend.asked import asked_for, asked_front_end
from rescomp.frontend.clips import feature_split
from rescomp.frontend.description import KEYS, PRESETS, BandNorm, FrontEnd, FrontEndKind, Statistic, WindowFunction
from rescomp.frontend.lowering import frontend_graph
from rescomp.graph.ir import Sampling
from rescomp.graph.sound import evaluate_frontend, numpy_features
from rescomp.model_directory import MANIFEST, VECTORS, ModelDirectory
from rescomp.recipe import FrontendSection, load_recipe, parse_recipe
from rescomp.recipe.frontend_section import ALIGN_KEYS
from rescomp.stages.artefacts import check_whole, read_model, read_vectors
from rescomp.stages.beginning import train_model
from rescomp.stages.budget import parse_budget
from rescomp.stages.exporting import export_model
from rescomp.stages.features import load_readings
from rescomp.stages.fitting import fit_recipe, predict_size
from rescomp.stages.golden_rows import kept_rows
from rescomp.stages.inspection import inspect
from rescomp.stages.limits import core_sizes
from rescomp.stages.profiling import profile
from rescomp.stages.quantization import quantize
from rescomp.stages.verification import verify
from rescomp.tests.stages.listeners import Warned
from rescomp.validate import host_c
from rescomp.validate.host_frontend import compiled_features

SMALL = ["length=200", "hop=160", "bands=6"]
KINDS = {
    "gru": ["model.kind=gru", "model.hidden_size=4"],
    "frames side by side": ["model.kind=fastgrnn", "model.hidden_size=4", "model.readings=2"],
    "a window": ["model.kind=resnet1d", "model.widths=[4]", "model.blocks=1"],
    "a streamed window": ["model.kind=dscnn1d", "model.widths=[4]", "model.blocks=1", "model.streaming=true", "model.time_steps=8"],
    "an image": ["model.kind=dscnn2d", "model.widths=[4]", "model.blocks=1"],
    "layers and a cell": [
        "model.stages=[{kind='convolution',width=4,stride=2},{kind='lstm',hidden_size=3},{kind='dense',width=3}]",
        "model.readout=last_mean",
    ],
}
OF_STEPS = ("gru", "frames side by side", "layers and a cell")


def tones(count, seed, samples=1700, channels=1):
    """Low tones, high tones, noise; the later clips are shorter."""
    rng, y, t = np.random.default_rng(seed), np.arange(count) % 3, np.arange(samples)[:, None] / 8000
    pitch = np.array([300, 1400, 0])[y] * rng.uniform(0.9, 1.1, count)
    x = np.sin(2 * np.pi * pitch[:, None, None] * t) * 6000 + rng.normal(size=(count, samples, channels)) * 300
    return np.round(x).astype(np.int16), y, samples - 30 * np.arange(count)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    (x_train, y_train, lengths_train), (x_test, y_test, lengths_test) = tones(9, 1), tones(7, 2)
    path = tmp_path_factory.mktemp("tones") / "tones.npz"
    splits = {"x_train": x_train, "y_train": y_train, "lengths_train": lengths_train}
    np.savez(path, x_test=x_test, y_test=y_test, lengths_test=lengths_test, sample_rate=8000, **splits)
    return path


def recipe_of(source, *asked):
    quick = ["train.epochs=1", "quantize.epochs=0", "train.batch_size=4"]
    return load_recipe(None, [f"data.source={source}", *(f"frontend.{key}" for key in SMALL), *quick, *asked])


def made(source, path, *asked):
    train_model(recipe_of(source, *asked), path)
    quantize(path)
    return path


@pytest.fixture(scope="module")
def model_directory(source, tmp_path_factory):
    return made(source, tmp_path_factory.mktemp("model") / "m", *KINDS["gru"])


def test_the_sections_values_are_those_of_the_description():
    section = FrontendSection.model_fields
    assert set(section) == {each.name for each in fields(FrontEnd)} | {"preset", "align", *ALIGN_KEYS}
    asked = {"kind": (*FrontEndKind.__args__, "align"), "window_function": WindowFunction, "norm": BandNorm}
    for key, literal in {**asked, "preset": tuple(PRESETS)}.items():
        known = literal if isinstance(literal, tuple) else literal.__args__
        assert set(section[key].annotation.__args__[0].__args__) == set(known), key
    assert FrontendSection(statistics=Statistic.__args__).statistics == Statistic.__args__


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_what_is_unset(preset):
    base = PRESETS[preset]
    assert asked_front_end({"preset": preset}, base.sample_rate, 1) == base
    changed = asked_front_end({"preset": preset, "hop": 100}, base.sample_rate, 1)
    assert (changed.hop, changed.bands, changed.low_hz) == (100, base.bands, base.low_hz)
    assert asked_front_end(asked_for(changed, preset), base.sample_rate, 1) == changed


def test_what_is_unset_follows_from_what_is_set():
    assert asked_front_end({"length": 700}, 16000, 1).size == 1024
    assert asked_front_end({}, 8000, 1).high_hz == 4000
    assert asked_front_end({"kind": "mfcc", "bands": 7}, 16000, 1).coefficients == 7
    statistics = asked_front_end({"preset": "vibration", "kind": "statistics", "statistics": ("mean",)}, 12000, 3)
    assert (statistics.floor, statistics.features) == (0, 3)
    assert set(asked_for(statistics, None)) == KEYS["statistics"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["frontend.preset=microwakword"], "the nearest value is 'microwakeword'"),
        (["frontend.band=3"], "unknown key 'frontend.band'; the nearest one is 'bands'"),
        (["frontend.kind=log_mels"], "the nearest value is 'log_mel'"),
        (["frontend.hop=-1"], "frontend.hop = -1: at least 0 is wanted"),
        (["frontend.floor=-33"], "frontend.floor = -33: at least -32 is wanted"),
        (["model.stride=2"], r"model.stride is for readings of a sensor.* set frontend.hop"),
        (["train.rotation=0.1"], "train.rotation turns the axes of a sensor"),
        (["stream.rail=2"], r"stream\.rail counts readings that stand at an end, and features of a front-end stand at none"),
        (["decide.false_alarms=1", "decide.rate=50"], "decide.rate is readings a second, which frontend.sample_rate and frontend.hop say"),
        (["frontend.coefficients=3"], "frontend.kind = log_mel does not read frontend.coefficients, which is for mfcc: leave it out"),
        (["frontend.sample_rate=16000"], "has 8000 samples a second and frontend.sample_rate is 16000"),
        (["frontend.preset=microwakeword"], "preset = microwakeword is for 16000 samples a second, and the data have 8000"),
        (["frontend.channels=2"], "the data have 1 channel, and frontend.channels is 2: set it to 1"),
        (["frontend.high_hz=5000"], "high_hz = 5000 do not lie in order between 0 and half the sample_rate, 4000"),
        (["frontend.length=1024", "frontend.hop=900", "model.kind=gru"], r"clip 2 .* of the test split of .* has 1640 samples"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(source, asked, message):
    if "clip 2" in message:
        asked = [*asked, "frontend.length=1024"]
        message = message.replace("clip 2", "clip 0").replace("1640", "[0-9]+")
        source = shortened(source)
    with pytest.raises(InputError, match=message):
        load_readings(recipe_of(source, *asked))


def shortened(source):
    arrays = dict(np.load(source))
    path = source.with_name("short.npz")
    np.savez(path, **{**arrays, "lengths_test": np.minimum(arrays["lengths_test"], 900)})
    return path


def test_images_have_no_front_end(tmp_path):
    images = np.zeros((4, 8, 8, 1), np.int16)
    np.savez(tmp_path / "images.npz", x_train=images, y_train=[0, 1, 0, 1], x_test=images, y_test=[0, 1, 0, 1], sample_rate=8000)
    with pytest.raises(InputError, match="holds images, and a front-end reads samples"):
        load_readings(recipe_of(tmp_path / "images.npz"))


@pytest.mark.parametrize("asked", [{}, {"kind": "mfcc", "pre_emphasis": 0}, {"kind": "statistics", "statistics": ("mean", "log_energy")}])
def test_the_compiled_front_end_gives_numpy_s_features(asked):
    front_end = asked_front_end(asked, 8000, 2)
    graph, rng = frontend_graph(front_end), np.random.default_rng(0)
    frames = rng.integers(-32768, 32768, (40, front_end.span, 2)) >> rng.integers(0, 16, (40, 1, 1))
    frames[0], frames[1] = -32768, 0
    assert np.array_equal(compiled_features(graph)(frames), numpy_features(graph)(frames))


def test_without_a_compiler_numpy_computes_the_same_features_and_says_so_once(source, monkeypatch):
    told = Warned()
    _, compiled = load_readings(recipe_of(source))
    monkeypatch.setattr(host_c, "COMPILER", "no-such-compiler")
    _, plain = load_readings(recipe_of(source), None, told)
    for one, other in ((compiled.train, plain.train), (compiled.test, plain.test)):
        assert np.array_equal(one.x, other.x)
    assert [text.partition(",")[0] for text in told.warnings] == ["no C compiler is installed"]


def test_readings_are_the_features_of_each_clip_read_one_at_a_time(source):
    recipe, dataset = load_readings(recipe_of(source, *KINDS["gru"]))
    pcm = load_dataset(str(source))
    front_end = dataset.front_end
    assert (recipe.frontend.sample_rate, recipe.frontend.size, dataset.train.x.dtype) == (8000, 256, np.float32)
    features = numpy_features(frontend_graph(front_end))
    for clip, length in enumerate(pcm.train.lengths):
        count = front_end.frames(int(length))
        starts = np.arange(count) * front_end.hop
        frames = np.stack([pcm.train.x[clip, start : start + front_end.span] for start in starts])
        assert np.array_equal(dataset.train.x[clip, :count] * 1024, features(frames))
        assert dataset.train.lengths[clip] == count

    class OneAtATime:
        lengths, y, groups, spans = dataset.clips.train.lengths, dataset.clips.train.y, None, None

        def __len__(self):
            return len(self.y)

        def read(self, clip):
            return dataset.clips.train.read(clip)

    assert np.array_equal(feature_split(OneAtATime(), front_end, features, "them").x, dataset.train.x)


def test_a_front_end_counts_in_a_budget(source):
    recipe, budget = recipe_of(source, "model.kind=gru"), parse_budget("const=3KB,state=1.5KB")
    chosen, size = fit_recipe(recipe, budget)
    plain = predict_size(chosen, 6, 3)
    assert size == predict_size(chosen, 6, 3, load_readings(recipe)[1])
    assert size.const > plain.const + 2 * 100
    assert size.state > plain.state + 2 * 201


def test_one_long_clip_among_many_short_ones_is_refused_before_the_memory_is(source):
    class Uneven:
        y, groups, spans = np.zeros(5000, np.int64), None, None
        lengths = np.r_[np.full(4999, 400), 40_000_000]

        def __len__(self):
            return 5000

    with pytest.raises(InputError, match="the longest clip of them has 249,999 frames"):
        feature_split(Uneven(), FrontEnd(length=200, hop=160, pre_emphasis=5), None, "them")


def test_a_policy_of_streams_stands_behind_a_front_end_but_for_rails(model_directory, tmp_path):
    """All of its C but what is pushed samples: tests/frontend/test_lost_samples.py."""
    with pytest.raises(InputError, match=r"stream\.rail counts readings that stand at an end"):
        quantize(model_directory, overrides=["stream.rail=2"])
    path = shutil.copytree(model_directory, tmp_path / "m")
    quantize(path, overrides=["stream.gap=2", "stream.window=4"])
    export_model(path)
    assert sum(each.mismatches for each in verify(path, "c", stress="off").witnesses) == 0
    source = translate(read_model(ModelDirectory.open(path)))
    (core,) = profile(path, ["cortex-m4"]).as_json()["cores"]
    assert inspect(path).ram == source.stream_listener_bytes == core["sound"]["bytes"]
    assert core_sizes(core)["cortex-m4", "ram_bytes"] == core["sound"]["bytes"] + core["stack"]
    assert core["sound"]["answer"] > 0.95 * core["stream"]["count"]  # both states


def test_a_directory_says_what_it_hears(model_directory):
    directory = ModelDirectory.open(model_directory)
    model, manifest = read_model(directory), directory.manifest()
    vectors, recipe = read_vectors(directory, model), parse_recipe(directory.read("recipe.toml"), "recipe.toml")
    check_whole(directory)
    assert (model.hop, manifest.samples.sample_rate, manifest.samples.channels) == (160, 8000, 1)
    assert model.sampling == Sampling(8000, 0)
    assert (recipe.frontend.kind, recipe.frontend.hop, recipe.frontend.sample_rate) == ("log_mel", 160, 8000)
    assert (manifest.input.fraction_bits, manifest.data.channels) == (10, 6)
    for row in range(len(vectors.x)):
        heard = evaluate_frontend(model, vectors.sound.recording(row))
        assert np.array_equal(vectors.x[row, : vectors.lengths[row]], heard)
        assert len(heard) == vectors.lengths[row]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "gru"])
def test_every_kind_of_net_stands_behind_a_front_end(source, tmp_path, kind):
    path = made(source, tmp_path / "m", *KINDS[kind])
    export_model(path, ["onnx"])
    found = verify(path, "onnxruntime,torch", stress="off", stream_steps=None)
    assert not found.failures
    vectors = read_vectors(ModelDirectory.open(path), read_model(ModelDirectory.open(path)))
    assert (vectors.sound.lengths == vectors.sound.lengths[0]).all() == (kind not in OF_STEPS)


def test_at_most_a_thousand_clips_become_golden_vectors_spread_over_all(source):
    recipe = recipe_of(source)
    assert np.array_equal(kept_rows(recipe, 7), np.arange(7))
    assert kept_rows(recipe, 5000).tolist() == list(range(0, 5000, 5))
    assert kept_rows(recipe_of(source, "quantize.vectors=3"), 7).tolist() == [0, 2, 4]
    assert len(kept_rows(load_recipe(None, []), 5000)) == 5000


def change_samples(directory):
    arrays = dict(np.load(directory.path / VECTORS))
    arrays["samples"] = arrays["samples"] + np.int16(100)
    np.savez(directory.path / VECTORS, **arrays)
    manifest = json.loads(directory.read(MANIFEST))
    del manifest["vectors_sha256"]
    directory.write({VECTORS: (directory.path / VECTORS).read_bytes(), MANIFEST: json.dumps(manifest).encode()})


def drop_samples(directory):
    arrays = {name: array for name, array in np.load(directory.path / VECTORS).items() if not name.startswith("sample")}
    np.savez(directory.path / VECTORS, **arrays)
    directory.write({VECTORS: (directory.path / VECTORS).read_bytes()})


def cut_samples(directory):
    arrays = dict(np.load(directory.path / VECTORS))
    arrays["sample_lengths"] = arrays["sample_lengths"] - 160
    np.savez(directory.path / VECTORS, **arrays)
    directory.write({VECTORS: (directory.path / VECTORS).read_bytes()})


def other_hop(directory):
    directory.write({"recipe.toml": directory.read("recipe.toml").replace(b"hop = 160", b"hop = 161")})


def other_rate(directory):
    directory.write({MANIFEST: directory.read(MANIFEST).replace(b'"sample_rate": 8000', b'"sample_rate": 8001')})


def other_bits(directory):
    manifest = json.loads(directory.read(MANIFEST))
    manifest["samples"]["fraction_bits"] = 1
    directory.write({MANIFEST: json.dumps(manifest).encode()})


def no_samples(directory):
    manifest = json.loads(directory.read(MANIFEST))
    del manifest["samples"]
    directory.write({MANIFEST: json.dumps(manifest).encode()})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_samples, "holds samples where the model has no front-end, or none where it has one"),
        (cut_samples, "holds recordings of another length than their steps are made of"),
        (change_samples, "numpy no longer gives what"),
        (other_hop, "is not of the model in graph.json: frontend differs"),
        (other_rate, "is not of the model in graph.json: frontend differs"),
        (other_bits, "is not of the model in graph.json: frontend differs"),
        (no_samples, "samples differs"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(model_directory, tmp_path, damage, message):
    path = tmp_path / "m"
    shutil.copytree(model_directory, path)
    damage(ModelDirectory.open(path))
    with pytest.raises(Exception, match=message):
        verify(path, "c", stress="off")
