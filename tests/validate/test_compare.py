"""Finding the first layer that differs, of a witness that need not know every value of the graph."""

import numpy as np
import pytest

from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import Trace, evaluate, evaluate_graph
from rescomp.validate import compare as compare_module
from rescomp.validate.compare import compare, first_layer


class Wrong:
    """A witness without the values `missing`, whose layers `differs` are wrong in their second entry."""

    def __init__(self, missing=(), differs=()):
        self.missing, self.differs = missing, differs

    def run_graph(self, graph, inputs):
        values = evaluate_graph(graph, inputs)
        for name in self.differs:
            values[name].reshape(-1)[1] += 1
        return {name: value for name, value in values.items() if name not in (*inputs, *self.missing)}


@pytest.mark.parametrize(
    ("missing", "differs", "found"),
    [
        ((), ("gate", "state"), "gate"),
        (("preactivation", "gate_bias", "gate", "candidate_bias", "candidate"), ("gate", "state"), "state"),
        ((), (), None),
    ],
)
def test_values_that_the_witness_lacks_are_passed_over(missing, differs, found, random_fastgrnn, random_sequences, export_job):
    rng = np.random.default_rng(0)
    model = random_fastgrnn(rng)
    x, lengths = random_sequences(rng, model)
    job, reference = export_job(model, x, lengths), evaluate(model, x, lengths)
    answer = Trace(reference.states.copy(), reference.scores)
    answer.states[0, 0, 1] += 1
    layer = first_layer(job, Wrong(missing, differs), reference, compare(job, reference, answer).first)
    assert (layer and (layer.tensor, layer.channel)) == (found and (found, 1))


def test_a_decision_that_differs_is_looked_for_in_the_decision_s_own_layers(random_fastgrnn, random_sequences, export_job):
    rng = np.random.default_rng(0)
    model = with_decision(random_fastgrnn(rng), Decision(2, 30, 2, 1))
    x, lengths = random_sequences(rng, model)
    job, reference = export_job(model, x, lengths), evaluate(model, x, lengths)
    (sequence,) = np.flatnonzero(lengths == lengths.max())[:1]
    answer = reference.take(np.arange(len(x)))
    answer.decisions[sequence, 5] += 1
    found = compare(job, reference, answer)
    wanted = int(reference.decisions[sequence, 5])
    assert (found.mismatches, str(found.first)) == (1, f"sequence {sequence}, step 5, decision[0]: expected {wanted}, got {wanted + 1}")
    assert first_layer(job, Wrong(), reference, found.first) is None
    assert first_layer(job, Wrong(differs=("decide_average_next",)), reference, found.first).tensor == "decide_average_next"
    graph, inputs = compare_module._inputs_at(job, reference, found.first)
    assert evaluate_graph(graph, inputs)["decision"][0, 0] == wanted
