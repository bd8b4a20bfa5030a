"""What a user is told when a call to the disk fails."""

import errno

from panal.errors import NoSpace, PanalError, Refused

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def disk_error(error: OSError, doing: str) -> PanalError:
    """The error that a user sees for a failed file call."""
    if error.errno in _FULL:
        what = {errno.EDQUOT: "the quota is used up", errno.EFBIG: "the file-size limit is reached"}
        reason = what.get(error.errno, "the disk is full")
        return NoSpace(f"Could not {doing}: {reason}. Free some space and try again.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Refused(f"Could not {doing}: {error.strerror}.")
    return PanalError(f"Could not {doing}: {error.strerror or error}.")
