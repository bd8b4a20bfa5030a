"""Old and new side by side, as in an upgrade: neither minds what the other does not know."""

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import CatalogueDigest, Entry
from tests.support.network import Network
from tests.tracker.harness import TinyPeer, running_tracker
from tests.tracker.makers import caller, content
from tests.tracker.older import OlderClient, message, older, older_tracker


def test_what_was_once_said_is_said_so_still() -> None:
    """Fields and calls are added, with new numbers; none is changed, none goes."""
    now = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(now)
    messages = {kind.name: {f.number: f for f in kind.field} for kind in now.message_type}
    for kind in older().message_type:
        for field in kind.field:
            same = messages[kind.name][field.number]
            was = (field.name, field.type, field.label, field.type_name)
            assert (same.name, same.type, same.label, same.type_name) == was
    enums = {kind.name: {v.number: v.name for v in kind.value} for kind in now.enum_type}
    for enum in older().enum_type:
        for value in enum.value:
            assert enums[enum.name][value.number] == value.name
    calls = {s.name: {m.name: m for m in s.method} for s in now.service}
    for service in older().service:
        for method in service.method:
            method_now = calls[service.name][method.name]
            for what in ("input_type", "output_type", "client_streaming", "server_streaming"):
                assert getattr(method_now, what) == getattr(method, what)


async def test_an_older_client_is_served() -> None:
    who, entry = caller("old"), Entry("a.txt", content(1), 5)
    digest = CatalogueDigest()
    digest.add(entry)
    called = message("Caller", name=who.name, secret=who.secret, epoch=who.epoch)
    async with running_tracker() as tracker, TinyPeer(who) as peer:
        client = OlderClient(tracker.channel)
        request = message(
            "RegisterRequest", caller=called, http_port=peer.port, bound=["127.0.0.1"]
        )
        welcome = await client.call("Register", request)
        assert (welcome.reachable, welcome.lease_s) == (True, 60.0)
        said = message("Entry", path=entry.path, content=bytes(entry.content), size_bytes=5)
        told = message("AnnounceRequest", caller=called, sequence=1, entries=[said])
        assert (await client.stream("Announce", [told])).digest == digest.value()
        renew = message("RenewRequest", caller=called, digest=digest.value())
        assert (await client.call("Renew", renew)).in_step
        hits = (await client.call("Search", message("SearchRequest", words="a.txt"))).hits
        assert [(hit.names[0].path, hit.providers) for hit in hits] == [("a.txt", 1)]
        asked = message("LocateRequest", contents=[bytes(entry.content)])
        (located,) = (await client.call("Locate", asked)).located
        assert [provider.peer for provider in located.providers] == ["old"]
        listed = await client.call("ListPeers", message("ListPeersRequest"))
        assert [info.name for info in listed.peers] == ["old"]
        assert (await client.call("Leave", message("LeaveRequest", caller=called))).was_known
        assert not (await client.call("ListPeers", message("ListPeersRequest"))).peers


@pytest.mark.parametrize("others", [(), ("127.0.0.1:9",)], ids=["alone", "one of several"])
async def test_an_older_tracker_serves_a_peer(tmp_path: Path, others: tuple[str, ...]) -> None:
    async with (
        Network(tmp_path) as network,
        older_tracker(network.tracker_address) as (address, _),
    ):
        one = await network.peer("one", trackers=(address, *others))
        two = await network.peer("two", trackers=(address, *others))
        await one.upload("a.txt", b"hello")
        assert [hit.name for hit in (await two.node.search("a.txt")).hits] == ["a.txt"]
        assert (await two.fetched("a.txt")).state == "done"
        assert {peer.name for peer in await two.node.peers()} == {"one", "two"}
        assert two.node.status().tracker == address
        await network.stop_peer("one")
        assert {peer.name for peer in await two.node.peers()} == {"two"}
