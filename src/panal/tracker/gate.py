"""Who may call what: each of the tracker's calls registered, and looked at before it is made.

What is not registered is called by nobody. Without a network the tracker is on loopback or open,
and whoever reaches it counts as a member.
"""

import hmac
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING

from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from panal.entrances import Entrances, Role
from panal.errors import NotAMember, Refused
from panal.tracker.callers import Metadata
from panal.wire import tracker_pb2 as pb
from panal.wire.dialback import hash_secret
from panal.wire.membership import credential_in

if TYPE_CHECKING:
    from panal.tracker.member_store import MemberRecord
    from panal.tracker.network import Network

TRACKER: str = pb.DESCRIPTOR.services_by_name["Tracker"].full_name
NETWORK: str = pb.DESCRIPTOR.services_by_name["Network"].full_name
HEALTH = f"/{health.SERVICE_NAME}/Check"


ENTRANCES = Entrances()
for _call in (
    "Register",
    "Announce",
    "Renew",
    "Leave",
    "Locate",
    "Search",
    "ListFolder",
    "ListPeers",
    "Watch",
    "Status",  # counts; more only to whoever is on this machine, which is looked at there
):
    ENTRANCES.register(f"/{TRACKER}/{_call}", Role.MEMBER)
for _call, _role in {
    "Authority": Role.PUBLIC,
    "Enrol": Role.PUBLIC,  # its secret, or a credential, is looked at there
    "RenewCertificate": Role.MEMBER,
    "ListMembers": Role.OWNER,
    "MintJoinLine": Role.OWNER,
    "RevokeJoinLine": Role.OWNER,
    "RemoveMember": Role.OWNER,
    "Status": Role.OWNER,
}.items():
    ENTRANCES.register(f"/{NETWORK}/{_call}", _role)
ENTRANCES.register(HEALTH, Role.PUBLIC)
# Not Health.Watch, which never ends: strangers would hold every place with it.
ENTRANCES.register(f"/{reflection.SERVICE_NAME}/ServerReflectionInfo", Role.MEMBER)


class Gate:
    """Looks at each call before anything else does."""

    def __init__(self, network: "Network | None" = None, owner_token: bytes = b"") -> None:
        self._network = network
        self._owner_hash = hash_secret(owner_token)
        self.has_members = network is not None
        """Whether only members may call."""

    def looks_at(self, method: str) -> bool:
        """Whether `check` may refuse anybody; without a network most calls are everybody's."""
        role = dict(ENTRANCES).get(method)
        return self.has_members or role is Role.OWNER or role is None

    def catch_up(self, method: str, metadata: Metadata) -> Awaitable[None] | None:
        """What to wait for before `check`: another tracker may have let the caller in just now.

        None for nothing. Awaited it raises StoreUnavailable where that cannot be asked.
        """
        if self._network is None or ENTRANCES.role_of(method) is Role.OWNER:
            return None
        with suppress(NotAMember):  # said by `check`, where it matters
            credential = credential_in(metadata)
            if credential is not None:
                return self._network.catch_up(credential)
        return None

    def check(self, method: str, metadata: Metadata) -> None:
        """NotAMember, Removed or Refused unless a caller that shows this may make the call."""
        role = ENTRANCES.role_of(method)
        if role is Role.OWNER:
            self._check_owner(metadata)
        elif role is Role.MEMBER:
            self.member(metadata)

    def member(self, metadata: Metadata) -> "MemberRecord | None":
        """Who calls; None without a network. NotAMember or Removed for anybody else."""
        if self._network is None:
            return None
        credential = credential_in(metadata)
        if credential is None:
            raise NotAMember("This tracker has a network. Join it with a join line: --join @FILE")
        return self._network.member_with(credential)

    def _check_owner(self, metadata: Metadata) -> None:
        token = credential_in(metadata) if self._network is not None else None
        if token is None or not hmac.compare_digest(hash_secret(token), self._owner_hash):
            raise Refused("Only the network's owner may do that, where the tracker runs.")
