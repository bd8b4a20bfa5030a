"""A disk that fails at each of its calls: full, over quota, broken, out of descriptors, short.

`python -m soaks.disk_errors [--case NAME]… [--most N] [--minutes M]`. A full disk fails six calls
that take space, one after the other, and then has room again: the work must end by itself. After
a failed sync nothing may be said to be done; asked again, it ends right.
"""

from collections.abc import AsyncIterator

import msgspec

from soaks.faults import Fault
from soaks.place import Place, Trial
from soaks.sweeping import main
from soaks.system_calls import SYNC, TAKE_SPACE

_ALL = tuple(sorted(TAKE_SPACE))
FAULTS = {
    "full": Fault(do="fail", error="ENOSPC", calls=6, kinds=_ALL),
    "quota": Fault(do="fail", error="EDQUOT", calls=6, kinds=_ALL),
    "sync": Fault(do="fail", error="EIO", kinds=tuple(sorted(SYNC))),
    "write": Fault(do="fail", error="EIO", kinds=("pwrite64", "write")),
    "descriptors": Fault(do="fail", error="EMFILE", kinds=("openat",)),
    "read-only": Fault(do="fail", error="EROFS", kinds=("mkdir", "openat", "renameat2")),
    "short": Fault(do="shorten", calls=5, kinds=("pwrite64", "write")),
}


async def sweep(place: Place, name: str, most: int, wrong: str = "") -> AsyncIterator[Trial]:
    """Each of the faults at so many calls of a case, spread evenly."""
    case = place.cases[name]
    for fault in FAULTS.values():
        total = await place.count(case, fault)
        for at in place.points(total, most):
            yield await place.tried(case, msgspec.structs.replace(fault, at=at), wrong)


if __name__ == "__main__":
    main("soaks.disk_errors", __doc__, sweep)
