"""What a tracker knows of its network without asking the store: who calls, and by which line; pure.

Where other trackers change the store too, that is believed for a while after each look at it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from panal.errors import NotAMember, Removed, StoreUnavailable
from panal.tracker.joining import LineRecord
from panal.tracker.member_store import MemberRecord
from panal.wire.dialback import hash_secret
from panal.wire.ids import PeerName
from panal.wire.membership import Revocations

BELIEVED_S = 15.0
"""What is known of members is believed for so long; then nobody is let in before another look."""


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What the store held at a version of it."""

    version: int
    everybody: list[MemberRecord]
    """Also those who were removed."""
    lines: list[LineRecord]
    revocations: Revocations


class KnownMembers:
    """Members, join lines and revocations as of the last look; what nobody has seen is empty."""

    def __init__(self, *, is_shared: bool) -> None:
        """`is_shared`: other trackers change the store too."""
        self._is_shared = is_shared
        self._by_credential: dict[bytes, MemberRecord] = {}
        self._names: frozenset[str] = frozenset()
        self._lines: dict[bytes, LineRecord] = {}
        """By the hashes of their secrets."""
        self._seen_at_s = float("-inf")
        self._gone: set[str] = set()
        """Who is no member any more, without case, by what other trackers changed."""
        self.version = -1
        self.revocations = Revocations(0, frozenset())

    def take(self, state: NetworkState | None) -> None:
        """Know that instead; None: nothing has changed."""
        if state is None:
            return
        self.version = state.version
        self.revocations = state.revocations
        self._by_credential = {member.credential_hash: member for member in state.everybody}
        self._lines = {line.secret_hash: line for line in state.lines}
        live = (member for member in state.everybody if member.removed_at_s is None)
        names = frozenset(member.name.casefold() for member in live)
        if self._is_shared:
            self._gone = (self._gone | self._names) - names
        self._names = names

    def seen(self, at_s: float) -> None:
        """The store was looked at no earlier than then."""
        self._seen_at_s = max(self._seen_at_s, at_s)

    def is_believed(self, now_s: float) -> bool:
        """Whether the last look is recent enough to let somebody in by it."""
        return not self._is_shared or now_s - self._seen_at_s <= BELIEVED_S

    def member_with(self, credential: bytes, now_s: float) -> MemberRecord:
        """Whose credential it is; NotAMember, or Removed where it was one.

        StoreUnavailable where it is too long ago that this could be looked up.
        """
        if not self.is_believed(now_s):
            raise StoreUnavailable(
                "The tracker cannot look up who is a member. That is not your fault: try again "
                "in a moment."
            )
        found = self._by_credential.get(hash_secret(credential))
        if found is None:
            raise NotAMember("This is no member's credential. Join with a line: --join @FILE.")
        if found.removed_at_s is not None:
            raise removed(found.name)
        return found

    def knows(self, credential: bytes) -> bool:
        """Whether it is or was a member's."""
        return hash_secret(credential) in self._by_credential

    def line_with(self, secret: bytes) -> LineRecord | None:
        """The join line of that secret."""
        return self._lines.get(hash_secret(secret))

    def is_named(self, name: PeerName) -> bool:
        """Whether a member has that name, in any case."""
        return name.casefold() in self._names

    def gone(self) -> list[PeerName]:
        """Whom other trackers removed since this was last asked."""
        gone, self._gone = self._gone, set()
        return [PeerName(name) for name in sorted(gone)]

    def removed_here(self, names: Iterable[PeerName]) -> None:
        """These went by this tracker's own doing."""
        self._gone.difference_update(map(str.casefold, names))


def removed(name: PeerName) -> Removed:
    """What somebody is told who is a member no more."""
    return Removed(f"{name} was removed from the network.")
