"""What the commands show a person: progress on stderr, tables on stdout."""

from .classes import in_brackets
from .comparison import print_check, print_verification
from .costs import print_inspection, print_picture, print_profile
from .devices import print_boards, print_diagnosis, print_flashed
from .imports import print_imported
from .output import show
from .progress import TerminalListener, describe_epoch, describe_progress
from .recognition import describe_streamed, print_evaluation, print_prediction
from .runs import print_initial, print_migration, print_seeds, print_summary, print_written
from .searches import print_search
from .tables import table

__all__ = [
    "TerminalListener",
    "describe_epoch",
    "describe_progress",
    "describe_streamed",
    "in_brackets",
    "print_boards",
    "print_check",
    "print_diagnosis",
    "print_evaluation",
    "print_flashed",
    "print_imported",
    "print_initial",
    "print_inspection",
    "print_migration",
    "print_picture",
    "print_prediction",
    "print_profile",
    "print_search",
    "print_seeds",
    "print_summary",
    "print_verification",
    "print_written",
    "show",
    "table",
]
