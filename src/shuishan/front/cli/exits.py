"""Exit codes that are no error of ours but an outcome. Errors carry their own (`ShuishanError.exit_code`).

The whole table, with what to do about each, is docs/guide/exit-codes.md.
"""

from enum import IntEnum


class Exit(IntEnum):
    """0 done; 20 and up: the command was understood, and this is what came of it."""

    DONE = 0
    NO_ROOM = 12  # as NoRoom: the plan does not fit
    NOTHING_CHANGED = 20  # somebody said no, or nobody was there to say yes
    UNWOUND = 21  # a step failed; all that was begun is undone
    STUCK = 22  # an undo failed: a person is needed
    STILL_RUNNING = 23  # the plan goes on; this command stopped waiting for it
    CHAIN_BROKEN = 24  # the audit log is not as it was written
    NOT_HELD = 25  # a story was played and not all of it held
    INTERRUPTED = 130
