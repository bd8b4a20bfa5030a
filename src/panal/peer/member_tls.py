"""A member's certificate at work: what it calls and answers with, renewed while it runs.

The revoked serials are one set, shared with every context: who is in it is refused from then on.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable

from panal.clock import Clock
from panal.errors import NotAMember, PanalError
from panal.peer.calling import Calling
from panal.peer.membership import Membership, serials_of
from panal.peer.tracker_client import TrackerClient
from panal.trust.tls import client_context, server_context
from panal.wire.membership import Revocations

log = logging.getLogger(__name__)

RENEW_AT = 2 / 3
"""Of a certificate's life."""
LOOK_EVERY_S = 3_600.0
"""A machine may sleep through the moment."""
WARN_BEFORE_S = 7 * 86_400.0


class MemberTls:
    """The contexts of one membership."""

    def __init__(self, membership: Membership, clock: Clock) -> None:
        """PanalError where the key or the certificate cannot be used."""
        self._membership = membership
        self._clock = clock
        self._revoked = serials_of(membership.revocations().serials)
        files = membership.authority_path, membership.certificate_path, membership.key_path
        try:
            self.server = server_context(*files, self._revoked)
            client = client_context(*files, self._revoked)
        except (OSError, ssl.SSLError) as error:
            raise PanalError(
                f"The membership in {membership.folder} is damaged: {error}."
            ) from None
        self._contexts = (self.server, client)
        self.calling = Calling(client, membership.pin)
        self.ended: Callable[[set[int]], None] = lambda _: None
        """Told which certificates count no more, so that their connections are ended."""

    def revoke(self, revocations: Revocations) -> None:
        """From now on these certificates, and no others, count no more."""
        serials = serials_of(revocations.serials)
        self._revoked.clear()
        self._revoked.update(serials)
        self.ended(serials)
        try:
            self._membership.keep_revocations(revocations)
        except OSError as error:
            log.warning("Who was removed cannot be remembered: %s.", error.strerror)

    async def keep_renewed(self, client: TrackerClient) -> None:
        """Renew the certificate whenever two thirds of its life are over; until cancelled."""
        while True:
            await self._clock.sleep(await self._look(client))

    async def _look(self, client: TrackerClient) -> float:
        """Renew if it is time; when to look again."""
        from panal.trust.certificates import signing_request, validity

        membership = self._membership
        pem = await asyncio.to_thread(membership.certificate_path.read_bytes)
        begin_s, end_s = validity(pem)
        left_s = begin_s + (end_s - begin_s) * RENEW_AT - self._clock.wall_s()
        if left_s > 0:
            return min(left_s, LOOK_EVERY_S)
        key = await asyncio.to_thread(membership.key_path.read_bytes)
        try:
            fresh = await client.renew_certificate(signing_request(key))
            if fresh == pem:  # by the tracker's clock it is early
                return LOOK_EVERY_S
            await asyncio.to_thread(membership.keep_certificate, fresh)
        except NotAMember:
            return LOOK_EVERY_S  # the announcer is told the same, and says it
        except (PanalError, OSError) as error:
            if end_s - self._clock.wall_s() < WARN_BEFORE_S:
                log.warning("This peer's certificate ends soon and cannot be renewed: %s", error)
            return LOOK_EVERY_S
        for context in self._contexts:
            context.load_cert_chain(membership.certificate_path, membership.key_path)
        log.info("This peer's certificate was renewed.")
        return 0.0
