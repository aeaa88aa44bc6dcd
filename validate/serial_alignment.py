"""The calls of what turns the readings of a worn device, over the parity protocol: what is lost is called again from what arrived."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.alignment import ALIGNMENT_STATE
from ..graph.ir import IntegerModel
from .alignment_calls import SAMPLES_AT_ONCE, AlignmentCall, AlignmentCalls
from .c_vectors import nbytes
from .called import MadeCall
from .parity_device import CALIBRATION_BYTES, ParityDevice
from .parity_protocol import AlignCall, ModelBuffer
from .serial_sequences import insist

_CALLS: Mapping[int, AlignCall] = {
    AlignmentCall.SET_ALIGNMENT: AlignCall.SET_ALIGNMENT,
    AlignmentCall.ADD_CALIBRATION: AlignCall.ADD_CALIBRATION,
    AlignmentCall.CALIBRATE: AlignCall.CALIBRATE,
}


class AlignedDevice:
    """One state and one calibration of a device, as they were last seen."""

    def __init__(self, device: ParityDevice, model: IntegerModel) -> None:
        self._device, self._model = device, model
        self._step_bytes = nbytes(model.states("step"))
        self._state = bytes(device.sizes.state_bytes)
        self._calibration = bytes(CALIBRATION_BYTES)
        self._known = False

    def run(self, calls: AlignmentCalls) -> bytes:
        """What alignment_calls.c would write: after each call the state and the calibration, then what it returned or its scores."""
        return b"".join(self._result(number, call) for number, call in enumerate(calls.made))

    def _result(self, number: int, call: MadeCall) -> bytes:
        return insist(self._device, f"call {number} of the alignment", lambda: self._called(call))

    def _called(self, call: MadeCall) -> bytes:
        """What has been seen changes only where the call was carried out and all of its results arrived. Raises LostError."""
        if self._device.wants_new_session:
            self._device.check_digest()
            self._device.start()
            self._known = False
        self._bring_back()
        self._known, state, calibration, extra = False, self._state, self._calibration, b""
        if call.what in _CALLS:
            count = SAMPLES_AT_ONCE if self._model.reads_samples and call.what == AlignmentCall.ADD_CALIBRATION else 0
            found = self._device.align(_CALLS[call.what], call.given, often=call.often, count=count)
            state, calibration = found[:-CALIBRATION_BYTES], found[-CALIBRATION_BYTES:]
            extra = calibration[-1:] if call.what == AlignmentCall.CALIBRATE else b""
        elif call.what == AlignmentCall.STEP:
            state = self._device.step(call.given, 1)
            extra = self._device.scores()
        else:
            state, calibration = self._set(call)
        self._known, self._state, self._calibration = True, state, calibration
        return state[: self._step_bytes] + calibration[:-1] + extra

    def _set(self, call: MadeCall) -> tuple[bytes, bytes]:
        """Write what the call gives into state or calibration, or begin anew; (state, calibration) as they then are."""
        device = self._device
        if call.what == AlignmentCall.INIT:
            device.reset()
        elif call.what == AlignmentCall.BITS_OF_ALIGNMENT:
            begin = self._place_of_alignment
            device.write(ModelBuffer.STATE, self._state[:begin] + call.given + self._state[begin + len(call.given) :])
        else:
            device.write(ModelBuffer.CALIBRATION, call.given)
        return device.read(ModelBuffer.STATE, len(self._state)), device.read(ModelBuffer.CALIBRATION, CALIBRATION_BYTES)

    def _bring_back(self) -> None:
        """What was seen last, where a session was lost."""
        if not self._known:
            self._device.reset()
            self._device.write(ModelBuffer.STATE, self._state)
            self._device.write(ModelBuffer.CALIBRATION, self._calibration)

    @property
    def _place_of_alignment(self) -> int:
        values = self._model.states("step")
        names = [value.name for value in values]
        return nbytes(values[: names.index(ALIGNMENT_STATE)])
