"""What alignment_calls.c of firmware_templates/platforms calls of a model with an alignment, and what numpy expects of it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from ..graph.alignment import ALIGNMENT_STATE, MOST_CALIBRATED, WIDEST_TURN, Calibration, align_of, alignment_of, set_alignment, unit
from ..graph.draws import Draws
from ..graph.fixed_point import FloatArray, IntArray, round_half_up_shift
from ..graph.ir import IntegerModel
from ..graph.ops.align import IDENTITY, ROTATION_BITS, ROTATION_ONE
from .c_vectors import stored_dtype
from .called import Calls, StateValues, record_of, scored, stepped, zero_state

DRAWN_SUMS, DRAWN_ROTATIONS = 120, 12
"""Calibrations from sums of every size, and rotations of any bits."""
SAMPLES_AT_ONCE = 2
"""That are added to a calibration in one call, of a model that reads samples."""
SQUARES = (
    *((6399, 5718, 6066), (1431, 8138, 2154), (4881, 3618, 3582), (690, 5130, 635), (2512, 3616, 6806), (7250, 2574, 3507)),
    *((6876, 2062, 7510), (5069, 5963, 6463), (5440, 4892, 4628), (6472, 7772, 6200), (4549, 3351, 7739), (8083, 1109, 7055)),
)
"""Vectors of which the sum of squares is a square, and then one less than a square: there a length shows by how much it is rounded."""
_SEED = 20261130
_INT16, _INT32 = np.iinfo(np.int16), np.iinfo(np.int32)
_CALIBRATION = np.dtype([("sums", "<i4", 3), ("readings", "<u4")])


class AlignmentCall(IntEnum):
    """As the program numbers them."""

    INIT = 0
    BITS_OF_ALIGNMENT = 1
    SET_ALIGNMENT = 2
    BITS_OF_CALIBRATION = 3
    ADD_CALIBRATION = 4
    CALIBRATE = 5
    STEP = 6


class AlignmentCalls(Calls):
    """Two states and two calibrations in turns, or one of each where memory is scarce."""

    def __init__(self, model: IntegerModel, readings: IntArray, *, small: bool) -> None:
        """readings: int16 [steps, *input shape]."""
        super().__init__()
        op = align_of(model)
        assert op is not None
        self._model, self._op, self._readings, self._draws = model, op, readings, Draws(_SEED)
        self._worn = Draws(_SEED).integers(-3000, 3000, (len(readings), SAMPLES_AT_ONCE, op.channels)) if model.reads_samples else readings
        count = 1 if small else 2
        self._states: list[StateValues] = [zero_state(model) for _ in range(count)]
        self._calibrations = [Calibration() for _ in range(count)]
        self._call_all(count - 1)

    def _call_all(self, last: int) -> None:
        """last: the number of the last state. Sums outlive what is done to the states, and the states what is done to the sums."""
        for which in range(last + 1):
            self._init(which)
        self._calibrate(last)
        self._walk(0, last)
        self._calibrate(last)
        self._add_too_many(last)
        self._walk(last, 0)
        self._set_rotations(0)
        self._add_whatever_is_read(last)
        for sums in (*self._hostile_sums(), *self._sums_of_every_size(), *self._sums_at_the_widest_turn()):
            self._set_calibration(0, sums, int(self._draws.integers(0, MOST_CALIBRATED, ())))
            self._calibrate(0)
        self._steps(0)
        for which in range(last + 1):
            self._init(which)

    def _walk(self, which: int, other: int) -> None:
        """Readings are added to one calibration, calibrated after the first and after all, twice, with steps of both states between."""
        self._set_calibration(which, np.zeros(3, np.int64), 0)
        for number, (x, worn) in enumerate(zip(self._readings, self._worn, strict=True)):
            self._add(which, worn)
            if number == 0:
                self._calibrate(which)
                self._step(other, x)
        self._calibrate(which)
        self._steps(which)
        self._calibrate(which)
        self._add(which, self._worn[-1], 3)
        self._calibrate(which)
        self._steps(which)

    def _add_too_many(self, which: int) -> None:
        """One input for as long as there is room, and another one, which would show; then counts of any bits."""
        high, low = self._held(1), self._held(0)
        self._set_calibration(which, np.zeros(3, np.int64), 0)
        self._add(which, low, MOST_CALIBRATED // self._readings_an_input)
        self._calibrate(which)
        self._add(which, high, 3)
        self._calibrate(which)
        for count in (MOST_CALIBRATED - 2, MOST_CALIBRATED - 1, MOST_CALIBRATED, MOST_CALIBRATED + 1, 1 << 16, _INT32.max, (1 << 32) - 1):
            self._set_calibration(which, np.array([5, -7, 1 << 20]), count)
            self._add(which, high, 2)
            self._calibrate(which)

    def _add_whatever_is_read(self, which: int) -> None:
        """Free fall, readings that stand at an end or are all alike, and sums of any bits, which wrap."""
        held = [self._held(0), self._held(1), *(np.full_like(self._worn[0], value) for value in (0, 1, -1))]
        for number, x in enumerate(held):
            self._set_calibration(which, np.zeros(3, np.int64), 0)
            self._add(which, x, 5)
            self._calibrate(which)
            self._step(which, self._reading(number) if self._model.reads_samples else x)
        for end in (_INT32.min, _INT32.max):
            for x in held[:2]:
                self._set_calibration(which, np.full(3, end), 0)
                self._add(which, x, 2)
                self._calibrate(which)

    def _set_rotations(self, which: int) -> None:
        """The identity, none at all, ends and beyond, one entry alone, and any bits; likewise what stands in the state already."""
        alone = np.eye(9, dtype=np.int64) * (ROTATION_ONE // 2 + 1)
        ends = [
            np.full(9, value) for value in (0, ROTATION_ONE, -ROTATION_ONE, ROTATION_ONE + 1, -ROTATION_ONE - 1, _INT16.max, _INT16.min)
        ]
        drawn = self._draws.integers(_INT16.min, _INT16.max, (DRAWN_ROTATIONS, 9))
        for number, rotation in enumerate((*alone, *ends, *drawn, IDENTITY)):
            if number % 4 == 1:
                self._bits_of_alignment(which, self._draws.integers(_INT16.min, _INT16.max, (9,)))
                self._step(which, self._reading(number))
            self._set_alignment(which, rotation)
            self._step(which, self._reading(number))

    def _hostile_sums(self) -> list[IntArray]:
        """None, one unit, all equal, an axis alone, ends of 32 bits, both sides of where a length takes another bit, and SQUARES."""
        sizes = (1, 2, 3, 4095, 4096, 8191, 8192, 16383, 16384, 1 << 30, _INT32.max)
        found = [np.zeros(3, np.int64), *(np.full(3, end) for end in (_INT32.min, _INT32.max))]
        for size in sizes:
            found += [np.array(each) for each in ((size, size, size), (size, 0, 0), (0, -size, 0), (0, 1, size), (-size, size, -1))]
        lengths = (np.array(each) * np.where(self._reference < 0, -1, 1) for each in SQUARES)
        return [*found, *lengths, *(self._reference * sign for sign in (1, -1))]

    def _sums_of_every_size(self) -> IntArray:
        """int64 [DRAWN_SUMS, 3]: of 1 to 31 bits."""
        most = (1 << self._draws.integers(1, 31, (DRAWN_SUMS, 1))) - 1
        return self._draws.integers(-most, most, (DRAWN_SUMS, 3))

    def _sums_at_the_widest_turn(self) -> list[IntArray]:
        """About 120 degrees away from the reference, where a calibration is refused: of each cosine there some."""
        found: dict[int, list[IntArray]] = {WIDEST_TURN + each: [] for each in (-2, -1, 0, 1, 2)}
        towards = self._reference / np.linalg.norm(self._reference)
        for _ in range(200):
            beside = np.cross(towards, self._draws.integers(-1000, 1000, (3,)) + np.array([0.5, 0.25, 0.125]))
            cosine = (WIDEST_TURN + int(self._draws.integers(-24, 24, ())) / 8) / ROTATION_ONE
            vector: FloatArray = cosine * towards + np.sqrt(1 - cosine * cosine) * beside / np.linalg.norm(beside)
            sums = np.round(vector * (1 << 29)).astype(np.int64)
            directed = unit(sums)
            assert directed is not None
            exact = int(round_half_up_shift(directed @ self._reference, ROTATION_BITS))
            if len(found.get(exact, [sums] * 3)) < 3:
                found[exact].append(sums)
        return [sums for each in found.values() for sums in each]

    @property
    def _reference(self) -> IntArray:
        return np.array(self._op.reference, np.int64)

    @property
    def _readings_an_input(self) -> int:
        return int(self._worn[0].size) // self._op.channels

    def _held(self, number: int) -> IntArray:
        """An input at an end of its format, low or high, but for one axis, so that axes are told from each other."""
        format = self._op.output
        held: IntArray = np.full_like(self._worn[0], (format.low, format.high)[number])
        held.reshape(-1, self._op.channels)[:, self._op.axes[number]] = (format.low, format.high)[number] // 3
        return held

    def _reading(self, number: int) -> IntArray:
        reading: IntArray = self._readings[number % len(self._readings)]
        return reading

    def _steps(self, which: int) -> None:
        for x in self._readings:
            self._step(which, x)

    def _init(self, which: int) -> None:
        self._states[which] = zero_state(self._model)
        self._tell(AlignmentCall.INIT, which)

    def _bits_of_alignment(self, which: int, bits: IntArray) -> None:
        self._keep(which, bits)
        self._tell(AlignmentCall.BITS_OF_ALIGNMENT, which, given=(bits.astype("<i2"),))

    def _set_alignment(self, which: int, rotation: IntArray) -> None:
        self._keep(which, set_alignment(rotation))
        self._tell(AlignmentCall.SET_ALIGNMENT, which, given=(rotation.astype("<i2"),))

    def _set_calibration(self, which: int, sums: IntArray, readings: int) -> None:
        self._calibrations[which] = Calibration(sums, readings)
        self._tell(AlignmentCall.BITS_OF_CALIBRATION, which, given=(sums.astype("<i4"), np.array(readings, "<u4")))

    def _add(self, which: int, x: IntArray, often: int = 1) -> None:
        readings = np.tile(x.reshape(-1, self._op.channels), (often, 1))
        self._calibrations[which].add(readings, self._op.axes)
        self._tell(AlignmentCall.ADD_CALIBRATION, which, often, given=(x.astype("<i2"),))

    def _calibrate(self, which: int) -> None:
        alignment = alignment_of(self._calibrations[which].sums, self._op.reference)
        if alignment is not None:
            self._keep(which, alignment)
        self._tell(AlignmentCall.CALIBRATE, which)
        self.expect("what calibrate returns", np.array(alignment is not None, "u1"))

    def _step(self, which: int, x: IntArray) -> None:
        self._states[which] = stepped(self._model, self._states[which], x)
        self._tell(AlignmentCall.STEP, which, given=(x.astype(stored_dtype(self._model.input.type)),))
        self.expect(
            "the scores of an aligned state", scored(self._model, self._states[which]).astype(stored_dtype(self._model.output.type))
        )

    def _keep(self, which: int, alignment: IntArray) -> None:
        self._states[which] = {**self._states[which], ALIGNMENT_STATE: alignment[None].astype(np.int64)}

    def _tell(self, what: AlignmentCall, which: int, often: int = 1, given: tuple[object, ...] = ()) -> None:
        """Make a call; all states and calibrations follow."""
        self.call(what, which, often, given)
        words = what.name.lower()
        for number, state in enumerate(self._states):
            self.expect(f"state {number} of an alignment after {words}", record_of(self._model.states("step"), state))
        for number, calibration in enumerate(self._calibrations):
            told = np.array((calibration.sums, calibration.readings), _CALIBRATION)
            self.expect(f"calibration {number} after {words}", told)
