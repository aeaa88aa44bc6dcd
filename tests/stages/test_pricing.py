"""What a model takes is known before its training: bytes that are those of the trained one, instructions as `profile` counts them."""

import pytest

from rescomp import stages
from rescomp.export.c import constant_bytes, translate
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe, parse_recipe, revise
from rescomp.stages.artefacts import read_model
from rescomp.stages.features import load_readings
from rescomp.stages.net_readings import input_shape
from rescomp.stages.pricing import count_instructions, largest_size, predict_size, probe
from rescomp.targets.kernel_choice import Target

QUICK = ("train.epochs=1", "quantize.epochs=1")


@pytest.mark.parametrize(
    ("data", "kind", "weights", "more"),
    [
        ("recordings", "resnet1d", "int4", []),
        ("recordings", "resnet1d", "int4", ["compress.0.scale=power_of_two", "compress.0.activations=int8"]),
        ("recordings", "dscnn1d", "ternary", ["compress.0.first_and_last=dense", "model.widths=[8]"]),
        ("images", "resnet2d", "ternary", ["model.widths=[4,8]"]),
        ("images", "hourglass", "int8", ["model.widths=[8,4]"]),
    ],
)
def test_nets_without_state_take_what_was_predicted(request, tmp_path, data, kind, weights, more):
    source = request.getfixturevalue(data)
    recipe, dataset = load_readings(load_recipe(None, [f"data.source={source}", f"model.kind={kind}", *QUICK, *more], weights=weights))
    predicted = predict_size(recipe, dataset.train.channels, len(dataset.classes), dataset)
    stages.train_model(recipe, tmp_path / "m")
    stages.quantize(tmp_path / "m")
    model = read_model(ModelDirectory.open(tmp_path / "m"))
    assert translate(model).ram_bytes == predicted.state
    assert constant_bytes(model)["model"] <= largest_size(model).const <= predicted.const
    assert predicted.const - largest_size(model).const <= 2 * sum(node.op.name == "add" for node in model.graphs["whole"].nodes)


def test_the_instructions_of_a_probe_are_nearly_those_of_the_trained_net(model_dir, emulated):
    """What a step executes depends on the shape, and where values are limited a little on the weights."""
    target = Target(emulated("cortex-m0"), "speed")
    directory = ModelDirectory.open(model_dir)
    recipe, dataset = load_readings(parse_recipe(directory.read("recipe.toml"), "a recipe"))
    counted = count_instructions(probe(recipe, input_shape(recipe, dataset), 3, dataset), target)
    trained = stages.profile(model_dir, ["cortex-m0"]).cores[0].count
    assert abs(counted - trained) < 0.02 * trained
    larger = revise(recipe, ["model.hidden_size=9"])
    assert count_instructions(probe(larger, input_shape(larger, dataset), 3, dataset), target) > 1.02 * trained
