"""A kill at each system call that changes the disk: of downloads, uploads, an index, a tracker.

`python -m soaks.kills [--case NAME]… [--most N] [--minutes M]`. After each: no name that is not
absent or whole, no chunk that is claimed and wrong, an index in order; and asked again, the work
ends right, from what was there.
"""

from collections.abc import AsyncIterator

import msgspec

from soaks.faults import Fault
from soaks.place import Place, Trial
from soaks.sweeping import main

KILL = Fault(do="kill")
AT_WORK = Fault(do="kill", besides=("index.sqlite-wal",), after_word="started")
"""At what is neither the start nor the index: of a download some 30 calls of 190."""


async def sweep(
    place: Place, name: str, most: int, wrong: str = "", kill: Fault = KILL
) -> AsyncIterator[Trial]:
    """Kill at so many calls of a case, spread evenly; all of them where there are no more."""
    case = place.cases[name]
    total = await place.count(case, kill)
    for at in place.points(total, most):
        yield await place.tried(case, msgspec.structs.replace(kill, at=at), wrong)


if __name__ == "__main__":
    main("soaks.kills", __doc__, sweep, leaves_out=())
