"""How files are kept: whole or not at all, several together or none of them, and by one process at a time."""

from .atomic import clear_partials, refuse_target, write_atomically, write_error
from .disk import Disk, disk, injected
from .kinds import no_folder, refuse_strange
from .locks import LOCK, Holder, changing, holding, reading, refuse_held
from .regular_file import MOST_BYTES, open_file, read_file
from .transaction import STAGING, commit, recover, refuse_in_the_way

__all__ = [
    "LOCK",
    "MOST_BYTES",
    "STAGING",
    "Disk",
    "Holder",
    "changing",
    "clear_partials",
    "commit",
    "disk",
    "holding",
    "injected",
    "no_folder",
    "open_file",
    "read_file",
    "reading",
    "recover",
    "refuse_held",
    "refuse_in_the_way",
    "refuse_strange",
    "refuse_target",
    "write_atomically",
    "write_error",
]
