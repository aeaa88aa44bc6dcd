"""Results of stages that show themselves."""

from __future__ import annotations

from ..printing import print_evaluation, print_inspection, print_profile, print_summary, print_verification
from ..stages.evaluation import Evaluation
from ..stages.inspection import Inspection
from ..stages.pipeline import Summary
from ..stages.profiling import Profile
from ..stages.verification import Verification
from .shown import Shown


class Evaluated(Shown, Evaluation):
    """What `evaluate` found."""

    def _print(self) -> None:
        print_evaluation(self)


class Inspected(Shown, Inspection):
    """What a model is made of."""

    def _print(self) -> None:
        print_inspection(self)


class Profiled(Shown, Profile):
    """What a step costs on cores."""

    def _print(self) -> None:
        print_profile(self)


class Ran(Shown, Summary):
    """What `run` made; `rescomp.load(ran.model_dir)` opens it."""

    def _print(self) -> None:
        print_summary(self)


class Verified(Shown, Verification):
    """What `verify` compared; `raise_failures()` makes an error of what differs."""

    def _print(self) -> None:
        print_verification(self)
