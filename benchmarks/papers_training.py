"""What papers.py trains: a net on a fold, and how it is judged: as the integer model, or with its weights alone quantized.

The second judge favours what it judges: no value is rounded, no table read, no state limited to 16 bits. What does not pay there does not
pay as integers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from rescomp.compress import IntegerStorage, anneal, calibrate, constrain, matrices
from rescomp.data.dataset import Split, load_dataset
from rescomp.data.input_format import choose_fraction_bits, to_device_integers, to_real
from rescomp.export.c import constant_bytes
from rescomp.graph.evaluate import evaluate
from rescomp.lowering.lower import lower
from rescomp.models import FloatArithmetic, Net, RecurrentNet, build_net, use_loop
from rescomp.recipe import Recipe, with_streams
from rescomp.stages.net_readings import NORMALIZATIONS, centre_and_spread, input_shape, steps
from rescomp.train.determinism import make_deterministic
from rescomp.train.evaluate import accuracy
from rescomp.train.loop import fit
from rescomp.train.schedule import quantize_schedule, train_schedule

Prepare = Callable[[Net], None]
"""Changes a compressed net before its formats are chosen."""
BITS = 4
"""Of the weights, where they alone are quantized."""


class Trial:
    """A recipe on its data: people held out stand where its test set is."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = with_streams(recipe) if recipe.model.is_recurrent else recipe
        self.data = load_dataset(recipe.data)
        self.bits = choose_fraction_bits(self.data.train)
        centre, spread = NORMALIZATIONS[recipe.model.normalization](self.data.train)
        self.centre, self.spread = (torch.from_numpy(array.astype(np.float32)) for array in (centre, spread))

    def seeded(self) -> None:
        """What is drawn next follows from the recipe's seed alone."""
        make_deterministic(self.recipe.train.seed, self.recipe.train.threads)

    def fresh(self) -> Net:
        """The recipe's float net."""
        self.seeded()
        return build_net(self.recipe.model, input_shape(self.recipe, self.data), len(self.data.classes), self.centre, self.spread)

    def trained(self, net: Net) -> Net:
        """The same net after the float training."""
        self._choose_loop(net)
        center, spread = centre_and_spread(self.recipe, net, self.data.train)
        fit(net, self.part(net, self.data.train), train_schedule(self.recipe.train), spread=spread, center=center)
        return net

    def part(self, net: Net, split: Split) -> Split:
        """As the net reads it."""
        return steps(self.recipe, net, split)

    def floating(self, net: Net) -> float:
        """Accuracy of a net in torch."""
        return accuracy(net, self.part(net, self.data.test))

    def integer(self, net: Net, prepare: Prepare | None = None) -> tuple[float, dict[str, int]]:
        """(accuracy of the integer model after the fine-tuning, its const bytes by kind)."""
        self.seeded()
        compressed = constrain(net, self.recipe.compress)
        if prepare is not None:
            prepare(compressed)
        self._choose_loop(compressed)
        data = self._as_read(self.part(net, self.data.train))
        streams = train_schedule(self.recipe.train).carry > 0
        calibrate(compressed, torch.from_numpy(data.x), torch.from_numpy(data.lengths), self.bits, streams=streams)
        self._fine_tune(compressed, data)
        model = lower(compressed, "papers", self.data.classes)
        test = self.part(net, self.data.test)
        scores = evaluate(model, to_device_integers(test.x, self.bits).astype(np.int64), test.lengths).scores
        return float((scores.argmax(axis=1) == test.y).mean()), constant_bytes(model)

    def weights(self, net: Net) -> float:
        """Accuracy after the fine-tuning of a net whose weights alone are quantized, to BITS bits and powers of two."""
        self.seeded()
        quantized = copy.deepcopy(net)
        quantized.arithmetic = FloatArithmetic("piecewise_linear")
        quantized.input_gains = nn.Parameter(torch.ones_like(quantized.std))
        for matrix in matrices(quantized):
            matrix.storage = IntegerStorage(BITS, "power_of_two")
        self._choose_loop(quantized)
        self._fine_tune(quantized, self._as_read(self.part(net, self.data.train)))
        return self.floating(quantized)

    def _choose_loop(self, net: Net) -> None:
        use_loop(net, self.recipe.train.loop if isinstance(net, RecurrentNet) else "torch")

    def _fine_tune(self, net: Net, data: Split) -> None:
        center, spread = centre_and_spread(self.recipe, net, data)
        schedule = quantize_schedule(self.recipe.train, self.recipe.quantize, self.recipe.compress)
        fit(net, data, schedule, on_step=lambda done, total: anneal(net, done, total), spread=spread, center=center)

    def _as_read(self, split: Split) -> Split:
        """As the device reads it."""
        return replace(split, x=to_real(to_device_integers(split.x, self.bits), self.bits))


def counted_bytes(net: Net) -> int:
    """What a net takes by the one count that serves nets without an integer model too: BITS bits a weight, each matrix in whole bytes, and
    16 bits for every other parameter. Scales and normalisation are left out.
    """
    stored = list(matrices(net))
    weights = {id(matrix.weight) for matrix in stored}
    others = sum(value.numel() for value in net.parameters() if id(value) not in weights)
    return sum(-(-matrix.weight.numel() * BITS // 8) for matrix in stored) + 2 * others
