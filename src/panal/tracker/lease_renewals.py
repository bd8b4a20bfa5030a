"""Leases granted anew: in memory where they are nowhere else, else many in one transaction."""

from collections.abc import Awaitable, Sequence
from functools import partial

from panal.errors import PanalError
from panal.tracker import registry
from panal.tracker.records_threads import RecordsThreads
from panal.tracker.registry import PeerRecord
from panal.tracker.renewals import Outcome, Renewal, Renewals
from panal.tracker.storage import LeaseClock, Storage
from panal.tracker.transactions import Transactions
from panal.wire.catalogue import Caller


class LeaseRenewals:
    """What `registry.renewed` decides, put into the store."""

    def __init__(
        self,
        storage: Storage,
        threads: RecordsThreads,
        transactions: Transactions,
        clock: LeaseClock,
        lease_s: float,
    ) -> None:
        self._storage = storage
        self._threads = threads
        self._transactions = transactions
        self._clock = clock
        self._lease_s = lease_s
        self._gathered = Renewals(self._renew_together, self._renew_alone)

    def renew(self, caller: Caller, observed_host: str) -> Awaitable[PeerRecord]:
        """Extend the caller's lease; its record."""
        if self._storage.is_embedded:
            return self._threads.ask(self._renew_here, caller, observed_host)
        return self._gathered.renew(Renewal(caller, observed_host))

    def _renew_here(self, caller: Caller, observed_host: str) -> PeerRecord:
        renewed = partial(
            registry.renewed,
            caller=caller,
            observed_host=observed_host,
            now_s=self._clock.now_s(),
            lease_s=self._lease_s,
        )
        record = self._storage.renew_in_memory(caller.name, renewed)
        if record is not None:
            return record
        return self._transactions.here(partial(self._put, Renewal(caller, observed_host)))

    def _renew_alone(self, renewal: Renewal) -> Awaitable[PeerRecord]:
        return self._transactions.run(partial(self._put, renewal))

    def _put(self, renewal: Renewal, now_s: float) -> PeerRecord:
        found = self._storage.peer_for_update(renewal.caller.name)
        renewed = self._renewed(found, renewal, now_s)
        self._storage.put_leases((renewed,))
        return renewed

    def _renew_together(self, renewals: Sequence[Renewal]) -> Awaitable[list[Outcome]]:
        return self._transactions.run(partial(self._put_together, renewals))

    def _put_together(self, renewals: Sequence[Renewal], now_s: float) -> list[Outcome]:
        names = [renewal.caller.name for renewal in renewals]
        found = {
            registry.key_of(record.name): record
            for record in self._storage.peers_free_for_update(names)
        }
        renewed: dict[str, PeerRecord] = {}
        outcomes: list[Outcome] = []
        for renewal in renewals:
            key = registry.key_of(renewal.caller.name)
            if key not in found:
                outcomes.append(None)
                continue
            try:
                outcome = self._renewed(found[key], renewal, now_s)
            except PanalError as error:
                outcomes.append(error)
            else:
                renewed[key] = outcome
                outcomes.append(outcome)
        self._storage.put_leases(list(renewed.values()))
        return outcomes

    def _renewed(self, found: PeerRecord | None, renewal: Renewal, now_s: float) -> PeerRecord:
        host = renewal.observed_host
        return registry.renewed(found, renewal.caller, host, now_s, self._lease_s)
