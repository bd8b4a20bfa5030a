"""What the owner changes while the peer runs, kept for its next start.

What was given at the start counts for that run, over what is kept, and is not kept itself. A
change counts at once and is kept.
"""

import logging
from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import asdict, replace

from panal.errors import UsageError
from panal.peer.downloads import ACTIVE_AT_ONCE
from panal.peer.rates import check_limit
from panal.peer.scrubbing import DEFAULT_RATE_BYTES_S
from panal.store.setting_records import SettingRecords

log = logging.getLogger(__name__)

MAX_ACTIVE_DOWNLOADS = 100


class LiveSettings(msgspec.Struct, frozen=True):
    """The values at one moment; a limit of 0 is none."""

    active_downloads: int = ACTIVE_AT_ONCE
    """How many downloads run at once."""
    upload_limit_bytes_s: int = 0
    """Bytes of contents sent, to all together."""
    download_limit_bytes_s: int = 0
    """Bytes of contents received, from all together."""
    upload_limit_per_peer_bytes_s: int = 0
    """To each remote address, however many connections it has."""
    download_limit_per_peer_bytes_s: int = 0
    """From each peer, by its name, over all downloads."""
    verify_rate_bytes_s: int = DEFAULT_RATE_BYTES_S
    """Of shared files read again while nothing else is to be done; 0: none are."""

    def check(self) -> None:
        """UsageError, with the range in its text."""
        if not 1 <= self.active_downloads <= MAX_ACTIVE_DOWNLOADS:
            raise UsageError(f"Between 1 and {MAX_ACTIVE_DOWNLOADS} downloads may run at once.")
        for name, value in asdict(self).items():
            if name != "active_downloads":
                check_limit(value)


NAMES = LiveSettings.__struct_fields__


class KeptSettings:
    """The settings of one running peer."""

    def __init__(
        self,
        records: SettingRecords,
        given: Mapping[str, int],
        use: Callable[[LiveSettings], None],
    ) -> None:
        """Take what is kept, then what was `given` at the start; `use` it."""
        self._records = records
        self._use = use
        self.now = replace(_kept(records), **given)
        self.now.check()
        use(self.now)

    def change(self, changes: Mapping[str, int]) -> LiveSettings:
        """Keep and use these, all or, with UsageError, none; how all stand then."""
        changed = replace(self.now, **changes)
        changed.check()
        self._records.save(changes)
        self.now = changed
        self._use(changed)
        return changed


def _kept(records: SettingRecords) -> LiveSettings:
    """What is kept; a value that another version wrote and this one does not know is left."""
    settings = LiveSettings()
    for name, value in records.all().items():
        if name not in NAMES:
            continue
        changed = replace(settings, **{name: value})
        try:
            changed.check()
        except UsageError as error:
            log.warning("The kept setting %s is not used: %s", name, error)
        else:
            settings = changed
    return settings
