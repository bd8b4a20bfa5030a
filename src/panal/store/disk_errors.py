"""What a user is told when a call to the disk fails."""

import errno

from panal.errors import FREE_SOME_SPACE, NoSpace, PanalError, Refused

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OTHER_FILE_SYSTEM = (
    "it is on another file system than the shared folder's .panal, where files lie until they are "
    "whole, and none can be moved there in one step. Share it with a peer of its own, or choose "
    "another place"
)
"""Of a folder in which something is mounted: its files are shared, and it takes none."""
_MAY_PASS = {
    *(errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT),
    *(errno.ENOTCONN, errno.ENOENT, errno.EMFILE, errno.ENFILE),
}
"""A disk that failed, was made read-only or went away with what was there, and descriptors that
ran out."""


def full_words(error: OSError) -> str:
    """What is full, where that is why a file call failed; else empty."""
    if error.errno not in _FULL:
        return ""
    what = {errno.EDQUOT: "the quota is used up", errno.EFBIG: "the file-size limit is reached"}
    return what.get(error.errno, "the disk is full")


def disk_error(error: OSError, doing: str) -> PanalError:
    """The error that a user sees for a failed file call."""
    if reason := full_words(error):
        return NoSpace(f"Could not {doing}: {reason}. {FREE_SOME_SPACE}")
    if error.errno == errno.EXDEV:
        return Refused(f"Could not {doing}: {OTHER_FILE_SYSTEM}.")
    refused = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
    told = (Refused if refused else PanalError)(f"Could not {doing}: {error.strerror or error}.")
    told.may_pass = error.errno in _MAY_PASS
    return told
