"""Untrained model directories, and a log that their data are cut from."""

import numpy as np

from rescomp import stages
from rescomp.graph.evaluate import evaluate, evaluate_graph, split_state
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.readings import Reader

UNTRAINED = ("train.epochs=0", "quantize.epochs=0", "train.threads=1", "model.hidden_size=6")
BARE = UNTRAINED[:-1]


def made(path, source, *overrides, small=UNTRAINED):
    """An untrained model directory. small: UNTRAINED, or BARE for nets that have no hidden size to choose."""
    recipe = load_recipe(None, [f"data.source={source}", *small, *overrides])
    stages.train_model(recipe, path)
    stages.quantize(path)
    return path


def parts(path):
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    return model, read_vectors(directory, model), Reader.of(directory.manifest(), model)


def decided(model, x):
    """The largest score after every step of one stream, by way of its states."""
    states = evaluate(model, x[None]).states[0]
    return evaluate_graph(model.graphs["head"], split_state(model, states))[model.output.name].argmax(axis=1)


def write_log(path, people, seed=0, rows=120):
    """A log at 50 Hz with labels that change every 20 readings, one person behind the other."""
    rng, lines = np.random.default_rng(seed), ["t,ax,ay,az,label,who"]
    for person in people:
        for row in range(rows):
            label = (row // 20) % 3
            values = np.rint(rng.normal(size=3) * 100 + 300 * np.eye(3)[label]).astype(int)
            lines.append(f"{row * 20},{','.join(map(str, values))},{('lie', 'sit', 'walk')[label]},{person}")
    path.write_text("\n".join(lines) + "\n")
    return path


CSV = ("data.group=who", "data.time=t", "data.window=8", "data.stride=4", "data.test_fraction=0.5", "model.readings=2")
