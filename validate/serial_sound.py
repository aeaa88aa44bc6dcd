"""A recording of samples over the parity protocol: pushed in parts, and gone on with from the last step that arrived whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.sound import inputs_in, samples_for
from .parity_device import ParityDevice
from .parity_protocol import ModelBuffer

PARTS: Sequence[int] = (1 << 16, 33, 1 << 16, 7, 1 << 16, 1)
"""Samples that are pushed at a time, one after the other: as many as a frame takes, and small odd numbers."""


class PushedRecording:
    """One recording, int16 [samples, channels]; `results` are those of the steps that arrived: of each its features, then
    the state, or the scores of a model without one.

    """

    def __init__(self, device: ParityDevice, model: IntegerModel, recording: IntArray, state: bytes = b"") -> None:
        """state: before the first step, as it lies on the device; nothing, or zeros: that of a reset."""
        self._state = state
        self._device, self._model, self._recording = device, model, recording.astype("<i2")
        sizes = device.sizes
        after = (ModelBuffer.STATE, sizes.state_bytes) if model.is_recurrent else (ModelBuffer.SCORES, sizes.score_bytes)
        self._read = [(ModelBuffer.FEATURES, sizes.input_bytes), after]
        self._step_bytes = sizes.input_bytes + after[1]
        self.results = bytearray()

    def push(self) -> bytes:
        """The results of all steps, of a model with a state the last scores behind them. What arrived stays when the line is lost."""
        total = int(inputs_in(self._model, np.array(len(self._recording))))
        while self._steps < total:
            self._begin()
            for begin, end in self._parts(total):
                self.results += self._part(begin, end)
                if self._device.wants_new_session:
                    self._device.check_digest()
                    self._device.start()
                    break
        if not self._model.is_recurrent:
            return bytes(self.results)
        return bytes(self.results) + self._device.scores()

    @property
    def _steps(self) -> int:
        return len(self.results) // self._step_bytes

    def _begin(self) -> None:
        """The state after the last step that arrived, and nothing heard."""
        self._device.reset()
        before = bytes(self.results[-self._device.sizes.state_bytes :]) if self.results and self._model.is_recurrent else self._state
        if any(before):
            self._device.write(ModelBuffer.STATE, before)

    def _parts(self, total: int) -> Iterator[tuple[int, int]]:
        """(first, past the last) of the samples that are pushed at a time, from the first one of the next step on; a step at most ends in
        each.
        """
        first = self._steps * self._model.frames_an_input * self._model.hop
        end, number = samples_for(self._model, total), 0
        while first < end:
            room = self._device.samples_a_frame(2 * self._recording.shape[1])
            last = min(end, first + min(room, PARTS[number % len(PARTS)]))
            steps = int(inputs_in(self._model, np.array(last))) - self._steps
            if steps > 1 or (steps and not self._device.results_fit(steps * self._step_bytes)):
                last = samples_for(self._model, self._steps + 1)
            yield first, last
            first, number = last, number + 1

    def _part(self, begin: int, end: int) -> bytes:
        """The results of what is pushed, a step or none."""
        stepped = end >= samples_for(self._model, self._steps + 1)
        expected = self._step_bytes * stepped
        unread = [] if self._device.results_fit(expected) else self._read
        return self._device.push(self._recording[begin:end].tobytes(), expected, unread)
