"""Who may call what: the one table of the tracker's calls, and the look at each call.

What is not in the table is called by nobody. Without a network the tracker is on loopback or open,
and whoever reaches it counts as a member.
"""

import hmac
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from panal.errors import NotAMember, Refused
from panal.wire import tracker_pb2 as pb
from panal.wire.dialback import hash_secret
from panal.wire.membership import credential_in

if TYPE_CHECKING:
    from panal.tracker.member_file import MemberRecord
    from panal.tracker.network import Network

TRACKER: str = pb.DESCRIPTOR.services_by_name["Tracker"].full_name
NETWORK: str = pb.DESCRIPTOR.services_by_name["Network"].full_name


class Role(Enum):
    """Who may make a call."""

    PUBLIC = "public"
    """Anybody: nothing is told of the network or its members."""
    MEMBER = "member"
    OWNER = "network owner"
    """Whoever can read the owner's token in the tracker's state directory."""


RULES: dict[str, Role] = {
    **{
        f"/{TRACKER}/{call}": Role.MEMBER
        for call in (
            "Register",
            "Announce",
            "Renew",
            "Leave",
            "Locate",
            "Search",
            "ListFolder",
            "ListPeers",
        )
    },
    f"/{NETWORK}/Authority": Role.PUBLIC,
    f"/{NETWORK}/Enrol": Role.PUBLIC,  # its secret, or a credential, is looked at there
    f"/{NETWORK}/RenewCertificate": Role.MEMBER,
    f"/{NETWORK}/ListMembers": Role.OWNER,
    f"/{NETWORK}/MintJoinLine": Role.OWNER,
    f"/{NETWORK}/RevokeJoinLine": Role.OWNER,
    f"/{NETWORK}/RemoveMember": Role.OWNER,
    f"/{health.SERVICE_NAME}/Check": Role.PUBLIC,
    f"/{health.SERVICE_NAME}/Watch": Role.PUBLIC,
    f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": Role.MEMBER,
}

Metadata = Iterable[tuple[str, Any]] | None


class Gate:
    """Looks at each call before anything else does."""

    def __init__(self, network: "Network | None" = None, owner_token: bytes = b"") -> None:
        self._network = network
        self._owner_hash = hash_secret(owner_token)

    def check(self, method: str, metadata: Metadata) -> None:
        """NotAMember, Removed or Refused unless a caller that shows this may make the call."""
        role = RULES.get(method)
        if role is None:
            raise Refused("Nobody may make this call.")
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
