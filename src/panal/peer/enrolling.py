"""Becoming a member: by a join line once, or as a further name of a member that is there.

The secret of a join line is sent only to whoever has proved to be the authority that the line
pins: the certificate that answers is first trusted for one question, what its authority is, and
the answer counts only if it has the pin.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc.aio

from panal.errors import JoinRefused, PanalError, Unreachable, WrongIdentity
from panal.peer.membership import Membership, keep, key_path
from panal.peer.tracker_calls import DEADLINE_S, meaning_of
from panal.peer.tracker_channel import certificate_at, tls_channel, why_no_answer
from panal.peer.tracker_client import is_on_loopback
from panal.store.disk_errors import disk_error
from panal.trust.certificates import is_for_key, new_key, pem_of, pin_of, signing_request
from panal.trust.files import private_folder, write_private
from panal.wire import tracker_pb2 as pb
from panal.wire.ids import PeerName
from panal.wire.join_line import JoinLine
from panal.wire.membership import CREDENTIAL_BYTES
from panal.wire.tracker_pb2_grpc import NetworkStub


async def join(line: JoinLine, name: PeerName, folder: Path, wall_s: float) -> Membership:
    """Enrol under a name and keep the membership in a folder.

    JoinRefused for a line that lets nobody in, NameTaken, WrongIdentity where another authority
    answers, Unreachable where nobody does.
    """
    if wall_s >= line.until_s:
        raise JoinRefused(
            "This join line has expired, by this machine's clock. Make another with 'panal network "
            "join-line' where the tracker runs."
        )
    key = await asyncio.to_thread(_key, folder)
    silent: PanalError | None = None
    for address in line.addresses:
        try:
            authority_pem = pem_of(await _authority(address, line.pin))
            enrolled = await _enrol(address, authority_pem, b"", name, key, line.secret)
        except Unreachable as error:
            silent = silent or error
            continue
        trackers = trackers_known(address, line.addresses)
        return await _kept(enrolled, key, folder, name, trackers, authority_pem, line.pin)
    raise silent or Unreachable("The join line names no tracker.")


def trackers_known(joined_at: str, addresses: Sequence[str]) -> tuple[str, ...]:
    """Which of a join line's trackers a new member keeps, the one that let it in first."""
    # Elsewhere a line's loopback is not its maker's machine.
    here = is_on_loopback(joined_at)
    others = [other for other in addresses if here or not is_on_loopback(other)]
    return tuple(dict.fromkeys((joined_at, *others)))


async def join_further(sponsor: Membership, name: PeerName, folder: Path) -> Membership:
    """Enrol a further name of a member; errors as those of `join`."""
    key = await asyncio.to_thread(_key, folder)
    silent: PanalError | None = None
    for address in sponsor.trackers:
        try:
            enrolled = await _enrol(
                address, sponsor.authority_pem, sponsor.credential, name, key, b""
            )
        except Unreachable as error:
            silent = silent or error
            continue
        return await _kept(
            enrolled, key, folder, name, sponsor.trackers, sponsor.authority_pem, sponsor.pin
        )
    raise silent or Unreachable("The member knows no tracker.")


async def _authority(address: str, pin: bytes) -> bytes:
    """The authority's certificate, in DER, as the pin proves it."""
    shown = await certificate_at(address)
    async with tls_channel(address, shown) as channel:
        stub = NetworkStub(channel)  # type: ignore[no-untyped-call]  # generated
        try:
            answer = await stub.Authority(pb.AuthorityRequest(), timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise await _why_not(error, address, shown) from None
    certificate: bytes = answer.certificate
    if pin_of(certificate) != pin:
        raise WrongIdentity(
            f"What answers at {address} is of another network than the join line: nothing was "
            "sent to it. Is the join line an old one, or does somebody stand in between?"
        )
    return certificate


async def _enrol(
    address: str,
    authority_pem: bytes,
    credential: bytes,
    name: PeerName,
    key_pem: bytes,
    secret: bytes,
) -> pb.EnrolResponse:
    request = pb.EnrolRequest(name=name, signing_request=signing_request(key_pem), secret=secret)
    async with tls_channel(address, authority_pem, credential) as channel:
        stub = NetworkStub(channel)  # type: ignore[no-untyped-call]  # generated
        try:
            answer: pb.EnrolResponse = await stub.Enrol(request, timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise await _why_not(error, address, authority_pem) from None
    return answer


async def _why_not(error: grpc.aio.AioRpcError, address: str, trusted_pem: bytes) -> PanalError:
    """What a failed call means; of one that no connection came about for, what is wrong there."""
    meaning = meaning_of(error, address)
    if isinstance(meaning, Unreachable):
        return await why_no_answer(address, trusted_pem) or meaning
    return meaning


async def _kept(
    enrolled: pb.EnrolResponse,
    key_pem: bytes,
    folder: Path,
    name: PeerName,
    trackers: Sequence[str],
    authority_pem: bytes,
    pin: bytes,
) -> Membership:
    if len(enrolled.credential) != CREDENTIAL_BYTES or not is_for_key(
        enrolled.certificate, key_pem
    ):
        raise WrongIdentity("The tracker gave a membership that cannot be used.")
    membership = Membership(folder, name, enrolled.credential, tuple(trackers), authority_pem, pin)
    await asyncio.to_thread(keep, membership, enrolled.certificate)
    return membership


def _key(folder: Path) -> bytes:
    """The private key, made once: asked again after an answer that was lost, it is the same."""
    path = key_path(folder)
    try:
        private_folder(folder)
        if not path.exists():
            write_private(path, new_key())
        return path.read_bytes()
    except OSError as error:
        raise disk_error(error, f"keep a key in {folder}") from None
