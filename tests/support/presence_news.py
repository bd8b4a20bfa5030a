"""What is told of a database that goes and comes back."""

import threading

from panal.tracker.postgres_presence import Presence


class PresenceNews:
    """Each change, in order."""

    def __init__(self, presence: Presence) -> None:
        self.heard: list[bool] = []
        """Whether it is here."""
        self.is_back = threading.Event()
        presence.watch(self._hear)

    def _hear(self, is_here: bool) -> None:
        self.heard.append(is_here)
        if is_here:
            self.is_back.set()
