"""The summary of check for people, as a file that takes the place of an earlier one and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError
from ..model_directory import refuse_in_a_model
from ..store import read_file, refuse_target

_TITLE = re.compile(rb"## [^\n]*: (passed|FAILED)\n")
"""As Check.as_markdown begins."""


def refuse_summary_target(path: Path) -> None:
    """Raise InputError where the user named what no summary can be written to, or a file that holds something else than one."""
    refuse_target(path)
    refuse_in_a_model(path)
    try:
        kept = read_file(path) if path.exists() else b""
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): name another file") from error
    if kept.strip() and not _TITLE.match(kept):
        raise InputError(f"{path} is there already and is no summary of rescomp check: name another file, or move it away")
