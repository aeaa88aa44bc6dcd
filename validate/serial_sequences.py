"""The sequences of a job, one after another, over the parity protocol: what is lost on the way goes on from what arrived."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized
from typing import TypeVar

from ..errors import DeviceError
from ..graph.evaluate import Trajectory
from .c_vectors import decode_long_run, decode_sequence, empty_trajectory, nbytes, stepped_values, stored_dtype
from .parity_device import ParityDevice
from .parity_exchange import LostError
from .parity_protocol import ModelBuffer
from .serial_sound import PushedRecording
from .witness import Job, Progress

T = TypeVar("T")
RESTARTS = 20
"""How often, at most, one sequence begins again before it is given up."""
PROGRESS_SECONDS = 0.2
"""Between two reports of progress."""


def insist(device: ParityDevice, what: str, part: Callable[[], T], got: Sized = ()) -> T:
    """The result of a part of the conversation, which is called again in a new session whenever it is lost.

    got: what has come of it so far, where it goes on from there; the attempts that are counted are those that brought nothing.
    """
    attempts = 0
    while attempts < RESTARTS:
        before = len(got)
        try:
            return part()
        except LostError as lost:
            cause = str(lost)
            attempts = 1 if len(got) > before else attempts + 1
            device.restart()
    raise DeviceError(f"{what} was given up after {RESTARTS} attempts: {cause}")


class SequenceStream:
    """All sequences of a job, one after another."""

    def __init__(self, device: ParityDevice, job: Job) -> None:
        self._device, self._job = device, job
        self._x = job.x.astype(stored_dtype(job.model.input.type))
        self._states = job.states() if job.model.is_recurrent else {}
        self._begin = self._told = time.monotonic()

    def run(self) -> Trajectory:
        """Every state and score as they come. Raises DeviceError."""
        count, trajectory = len(self._job.x), empty_trajectory(self._job)
        for i in range(count):
            if self._device.wants_new_session:
                self._check_digest()
                self._device.start()
            results = self._sequence(i)
            if self._job.every_score:
                self._check_digest()
                return decode_long_run(self._job, results)
            decode_sequence(self._job, trajectory, i, results)
            self._tell(i + 1, count, "sequences")
        self._check_digest()
        return trajectory

    def _sequence(self, i: int) -> bytes:
        """The results of sequence i: the state after each step (and the scores, where every score is asked), then the scores. Of samples
        the features stand before each state, or before the scores of a model without one.

        Whenever the conversation is lost, it goes on from the last state that arrived whole.
        """
        device, what = self._device, f"sequence {i}"
        if self._job.sound is not None and self._job.heard[i]:
            before = self._state_before(i) if self._job.model.is_recurrent else b""
            recording = PushedRecording(device, self._job.model, self._job.sound.recording(i), before)
            return insist(device, what, recording.push, recording.results)
        if not self._job.model.is_recurrent:
            return insist(device, what, lambda: device.run(self._x[i].tobytes(), 0))
        steps, sizes = int(self._job.lengths[i]), device.sizes
        data, state = self._x[i, :steps].tobytes(), self._state_before(i)
        whole = not any(state) and not self._job.every_score
        states, scores = bytearray(), bytearray()

        def attempt() -> bytes:
            """What is lost may shorten the frames that are worth sending: a sequence that fitted one is then walked."""
            if whole and not states and device.fits(len(data), steps * sizes.state_bytes + sizes.score_bytes):
                return device.run(data, steps)
            last = self._walk(data, state, states, scores)
            return b"" if self._job.every_score else bytes(states) + last

        results = insist(device, what, attempt, states)
        if not self._job.every_score:
            return results
        return b"".join(part for t in range(steps) for part in (_piece(states, t, sizes.state_bytes), _piece(scores, t, sizes.score_bytes)))

    def _walk(self, data: bytes, state: bytes, states: bytearray, scores: bytearray) -> bytes:
        """Step to the end of `data`, from the last of `states` on, or from `state`; returns the last scores. What arrived is appended."""
        device, sizes, every = self._device, self._device.sizes, self._job.every_score
        steps = len(data) // sizes.input_bytes
        if every:
            del states[len(scores) // sizes.score_bytes * sizes.state_bytes :]
        device.reset()
        before = bytes(states[-sizes.state_bytes :]) or state
        if any(before):
            device.write(ModelBuffer.STATE, before)
        while (t := len(states) // sizes.state_bytes) < steps:
            if device.wants_new_session:
                self._begin_again(bytes(states[-sizes.state_bytes :]) or state)
            count = 1 if every else min(device.steps_a_frame(), steps - t)
            states += device.step(data[t * sizes.input_bytes : (t + count) * sizes.input_bytes], count)
            if every:
                scores += device.scores()
                self._tell(t + 1, steps, "steps")
        return bytes(scores[-sizes.score_bytes :]) if every else device.scores()

    def _begin_again(self, state: bytes) -> None:
        """A new session in the middle of a sequence that is longer than one, which goes on from `state`."""
        self._device.check_digest()
        self._device.start()
        self._device.write(ModelBuffer.STATE, state)

    def _state_before(self, i: int) -> bytes:
        """As it lies on the device before the first step."""
        values = self._job.model.states("step")
        before = b"".join(self._states[value.name][i].astype(stored_dtype(value.type)).tobytes() for value in values)
        return before + bytes(nbytes(stepped_values(self._job.model)) - len(before))

    def _check_digest(self) -> None:
        """Where a session was lost, the digest is of what followed; what came before was compared with every frame of results."""
        try:
            self._device.check_digest()
        except LostError as error:
            raise DeviceError(f"the digest over all results does not confirm them: {error}") from error

    def _tell(self, done: int, count: int, unit: str) -> None:
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS and done < count:
            return
        self._told = now
        seconds, report = now - self._begin, self._device.report
        parts = [f"{report.bytes / seconds / 1000:.1f} KB/s"]
        parts += [f"{report.repeated} requests repeated"] if report.repeated else []
        parts += [f"{report.restarts} restarts"] if report.restarts else []
        cycles = self._device.cycles() if done == count else None
        if cycles:
            parts.append(f"last step {cycles[0]:,} cycles" if self._job.model.is_recurrent else f"last run {cycles[1]:,} cycles")
        self._job.progress(Progress(done, count, unit, seconds, "  ".join(parts)))


def _piece(data: bytearray, number: int, size: int) -> bytes:
    return bytes(data[number * size : (number + 1) * size])
