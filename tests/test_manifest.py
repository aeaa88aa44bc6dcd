"""manifest.json is read key by key: nothing of another type, nothing out of bounds, nothing unknown."""

import copy
import json

import pytest

from rescomp.errors import InputError
from rescomp.manifest import parse_manifest

DOCUMENT = {
    "schema": 1,
    "contract": 1,
    "name": "gestures",
    "classes": ["a", "b"],
    "data": {
        "name": "gestures",
        "sha256": "0123456789abcdef" * 4,
        "channels": 3,
        "train_sequences": 8,
        "test_sequences": 4,
        "files": 1,
        "recordings": 6,
        "readings": 99,
        "readings_too_short_for_a_window": 2,
        "split": "group",
        "train_groups": ["x"],
        "test_groups": ["y"],
    },
    "input": {
        "dtype": "int16",
        "fraction_bits": 3,
        "scale": 0.125,
        "unit": "g",
        "channels": ["ax", "ay", "az"],
        "shape": [3],
        "readings_a_step": 2,
        "stride": 1,
    },
    "seed": 0,
    "threads": 1,
    "device": "cpu",
    "versions": dict.fromkeys(["rescomp", "python", "numpy", "torch", "safetensors", "onnx", "flatbuffers", "tflite", "compiler"], "1"),
    "accuracy": {"float": 1.0, "integer": 0.75},
    "by_class": {"float": {"balanced_accuracy": 0.5, "macro_f1": 0.25, "recall": {"a": 1.0}}},
    "graph_sha256": "0" * 64,
    "vectors_sha256": "f" * 64,
    "formats": {"step.h_next": {"format": "int16 Q12", "scale": 0.000244140625}},
}
WRONG = {
    int: (True, 1.5, 10**400, -1, None, "1", [1], {}),
    float: (True, 10**400, None, "1", [1.0], {}),
    str: (True, 1, None, ["x"], {}),
    list: (True, 1, None, "xy", {}, [None], [True], [[]]),
    dict: (True, 1, None, "xy", [], {"unknown": 1}),
}
"""For a value of this type."""


def places(document, path=()):
    """Of every value."""
    yield path
    for key, value in document.items():
        yield from places(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


def put(path, value):
    """The document's bytes, with another value at a place."""
    document = copy.deepcopy(DOCUMENT)
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return json.dumps(document).encode()


def test_a_whole_manifest_is_read_and_written_as_it_was():
    assert parse_manifest(json.dumps(DOCUMENT).encode(), "m").as_json() == DOCUMENT
    needed = {key: DOCUMENT[key] for key in ("schema", "contract", "name", "classes")}
    parts = {"data": ("sha256", "channels"), "input": ("fraction_bits",), "versions": ("rescomp",)}
    least = {**needed, **{part: {key: DOCUMENT[part][key] for key in keys} for part, keys in parts.items()}}
    assert parse_manifest(json.dumps(least).encode(), "m").as_json() == least


def test_nothing_of_another_type_stands_in_a_manifest():
    for path in list(places(DOCUMENT))[1:]:
        value = DOCUMENT
        for key in path:
            value = value[key]
        for wrong in WRONG[type(value)]:
            with pytest.raises(InputError, match=r"m (is damaged|has schema)"):
                print(path, wrong, parse_manifest(put(path, wrong), "m"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *[(("accuracy", key), value) for key in ("float", "integer") for value in (1.0625, -0.5, 1e300)],
        *[((*path, key), "0" * 63 + "g") for path, key in ((("data",), "sha256"), ((), "graph_sha256"), ((), "vectors_sha256"))],
        *[(("data", "sha256"), value) for value in ("", "0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n")],
        (("by_class", "float", "recall"), {}),
        (("input.unit",), "g"),
        (("input", "fraction_bits"), 16),
        (("input", "shape"), [0]),
        (("data", "channels"), 0),
        (("data", "split"), "any"),
        (("name",), "gestures\n"),
        (("schema",), 1.0),
    ],
)
def test_nothing_out_of_bounds_or_unknown_stands_in_a_manifest(path, value):
    with pytest.raises(InputError, match=r"m (is damaged|has schema)"):
        parse_manifest(put(path, value), "m")


def test_no_text_of_a_manifest_breaks_a_line_or_steers_a_terminal():
    texts = [path for path in list(places(DOCUMENT))[1:] if isinstance(value_at(path), str | list) and path != ("input", "shape")]
    assert len(texts) == 23
    for path in texts:
        for wrong in ("1\n2", "1\u009b2", "1\u2028", "1\u202e2"):
            with pytest.raises(InputError, match=r"^m is damaged, or not rescomp's .*: train the model again$") as caught:
                print(path, parse_manifest(put(path, [wrong] if isinstance(value_at(path), list) else wrong), "m"))
            assert str(caught.value).isprintable()
    with pytest.raises(InputError, match=r"formats: .*not printable"):
        parse_manifest(put(("formats",), {"step.h\nnext": DOCUMENT["formats"]["step.h_next"]}), "m")


def value_at(path):
    value = DOCUMENT
    for key in path:
        value = value[key]
    return value


def test_the_sentence_says_what_is_wrong():
    with pytest.raises(
        InputError, match=r"^m is damaged, or not rescomp's \(input\.unit: Extra inputs are not permitted\): train the model again$"
    ):
        parse_manifest(put(("input.unit",), "g"), "m")


SAMPLES = {"sample_rate": 8000, "channels": 1}
CALIBRATED = {"accuracy": 0.75, "as_they_are": 0.5, "recordings": 4, "groups": 2}
SEEN = {"events": 3, "exposure": 2.0, "unit": "hour", "rate": 1.5, "bound_95": 3.876828263966363}
CHANGES = {"judged": 4, "delay_median": 3, "delay_p90": 5, "miss": 0.0, "flips": SEEN}
DECISION = {"of": "in a row", "recordings": 4, "false_alarms": 1.0, "smoothing": 2, "margin": 0.0, "hold": 1, "changes": CHANGES}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            {"samples": SAMPLES, "data": {**DOCUMENT["data"], "sample_rate": 16000}},
            "data.sample_rate is 16000, and samples.sample_rate 8000",
        ),
        ({"calibrated": {**CALIBRATED, "accuracy": 0.7}}, "calibrated.accuracy is no share of 4 recordings"),
        ({"calibrated": {**CALIBRATED, "as_they_are": 0.51}}, "calibrated.as_they_are is no share of 4 recordings"),
        ({"calibrated": {**CALIBRATED, "groups": 5}}, "5 groups have 4 recordings"),
        ({"decision": {**DECISION, "changes": {**CHANGES, "miss": 0.3}}}, "miss is no share of 4 changes"),
        ({"decision": {**DECISION, "changes": {**CHANGES, "miss": 0.25}}}, "3 of 4 changes are reached, and the delays"),
        ({"decision": {**DECISION, "changes": {**CHANGES, "delay_p90": 2}}}, "half of the changes are reached later than 90 %"),
        ({"decision": {**DECISION, "changes": {**CHANGES, "flips": {**SEEN, "exposure": 4.0}}}}, "the rate, or its bound, is not that"),
        ({"decision": {**DECISION, "thresholds": [0.5]}}, "decision.thresholds are 1, and there are 2 classes"),
    ],
)
def test_figures_that_follow_from_others_are_held_to_them(entries, said):
    honest = {**DOCUMENT, "samples": SAMPLES, "calibrated": CALIBRATED, "decision": DECISION}
    parse_manifest(json.dumps(honest).encode(), "m")
    with pytest.raises(InputError, match=said):
        parse_manifest(json.dumps({**honest, **entries}).encode(), "m")
