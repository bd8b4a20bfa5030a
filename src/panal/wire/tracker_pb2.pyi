from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_FILE: _ClassVar[Kind]
    KIND_COLLECTION: _ClassVar[Kind]
KIND_FILE: Kind
KIND_COLLECTION: Kind

class Caller(_message.Message):
    __slots__ = ("name", "secret", "epoch")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    secret: bytes
    epoch: int
    def __init__(self, name: _Optional[str] = ..., secret: _Optional[bytes] = ..., epoch: _Optional[int] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("caller", "http_port", "bound", "digest", "zone")
    CALLER_FIELD_NUMBER: _ClassVar[int]
    HTTP_PORT_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    caller: Caller
    http_port: int
    bound: _containers.RepeatedScalarFieldContainer[str]
    digest: bytes
    zone: str
    def __init__(self, caller: _Optional[_Union[Caller, _Mapping]] = ..., http_port: _Optional[int] = ..., bound: _Optional[_Iterable[str]] = ..., digest: _Optional[bytes] = ..., zone: _Optional[str] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ("observed_host", "lease_s", "renew_s", "reachable", "reachability", "digest", "revocations")
    OBSERVED_HOST_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    RENEW_S_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    REACHABILITY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    observed_host: str
    lease_s: float
    renew_s: float
    reachable: bool
    reachability: str
    digest: bytes
    revocations: Revocations
    def __init__(self, observed_host: _Optional[str] = ..., lease_s: _Optional[float] = ..., renew_s: _Optional[float] = ..., reachable: _Optional[bool] = ..., reachability: _Optional[str] = ..., digest: _Optional[bytes] = ..., revocations: _Optional[_Union[Revocations, _Mapping]] = ...) -> None: ...

class Revocations(_message.Message):
    __slots__ = ("version", "serials")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SERIALS_FIELD_NUMBER: _ClassVar[int]
    version: int
    serials: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, version: _Optional[int] = ..., serials: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("path", "content", "size_bytes", "kind", "sha256")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    content: bytes
    size_bytes: int
    kind: Kind
    sha256: bytes
    def __init__(self, path: _Optional[str] = ..., content: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., kind: _Optional[_Union[Kind, str]] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class Holding(_message.Message):
    __slots__ = ("content", "complete")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    complete: bool
    def __init__(self, content: _Optional[bytes] = ..., complete: _Optional[bool] = ...) -> None: ...

class AnnounceRequest(_message.Message):
    __slots__ = ("caller", "sequence", "replace_all", "entries", "removed_paths", "holdings", "removed_holdings", "all_told")
    CALLER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_ALL_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_PATHS_FIELD_NUMBER: _ClassVar[int]
    HOLDINGS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_HOLDINGS_FIELD_NUMBER: _ClassVar[int]
    ALL_TOLD_FIELD_NUMBER: _ClassVar[int]
    caller: Caller
    sequence: int
    replace_all: bool
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    removed_paths: _containers.RepeatedScalarFieldContainer[str]
    holdings: _containers.RepeatedCompositeFieldContainer[Holding]
    removed_holdings: _containers.RepeatedScalarFieldContainer[bytes]
    all_told: bool
    def __init__(self, caller: _Optional[_Union[Caller, _Mapping]] = ..., sequence: _Optional[int] = ..., replace_all: _Optional[bool] = ..., entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., removed_paths: _Optional[_Iterable[str]] = ..., holdings: _Optional[_Iterable[_Union[Holding, _Mapping]]] = ..., removed_holdings: _Optional[_Iterable[bytes]] = ..., all_told: _Optional[bool] = ...) -> None: ...

class AnnounceResponse(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    def __init__(self, digest: _Optional[bytes] = ...) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("caller", "digest", "revocations_version")
    CALLER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_VERSION_FIELD_NUMBER: _ClassVar[int]
    caller: Caller
    digest: bytes
    revocations_version: int
    def __init__(self, caller: _Optional[_Union[Caller, _Mapping]] = ..., digest: _Optional[bytes] = ..., revocations_version: _Optional[int] = ...) -> None: ...

class RenewResponse(_message.Message):
    __slots__ = ("in_step", "reachable", "reachability", "revocations")
    IN_STEP_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    REACHABILITY_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    in_step: bool
    reachable: bool
    reachability: str
    revocations: Revocations
    def __init__(self, in_step: _Optional[bool] = ..., reachable: _Optional[bool] = ..., reachability: _Optional[str] = ..., revocations: _Optional[_Union[Revocations, _Mapping]] = ...) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ("caller",)
    CALLER_FIELD_NUMBER: _ClassVar[int]
    caller: Caller
    def __init__(self, caller: _Optional[_Union[Caller, _Mapping]] = ...) -> None: ...

class LeaveResponse(_message.Message):
    __slots__ = ("was_known",)
    WAS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    was_known: bool
    def __init__(self, was_known: _Optional[bool] = ...) -> None: ...

class LocateRequest(_message.Message):
    __slots__ = ("contents", "asker", "suspects", "max_providers", "zone")
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    ASKER_FIELD_NUMBER: _ClassVar[int]
    SUSPECTS_FIELD_NUMBER: _ClassVar[int]
    MAX_PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    contents: _containers.RepeatedScalarFieldContainer[bytes]
    asker: str
    suspects: _containers.RepeatedScalarFieldContainer[str]
    max_providers: int
    zone: str
    def __init__(self, contents: _Optional[_Iterable[bytes]] = ..., asker: _Optional[str] = ..., suspects: _Optional[_Iterable[str]] = ..., max_providers: _Optional[int] = ..., zone: _Optional[str] = ...) -> None: ...

class Provider(_message.Message):
    __slots__ = ("peer", "host", "port", "complete", "zone")
    PEER_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    peer: str
    host: str
    port: int
    complete: bool
    zone: str
    def __init__(self, peer: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., complete: _Optional[bool] = ..., zone: _Optional[str] = ...) -> None: ...

class Located(_message.Message):
    __slots__ = ("content", "providers")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    providers: _containers.RepeatedCompositeFieldContainer[Provider]
    def __init__(self, content: _Optional[bytes] = ..., providers: _Optional[_Iterable[_Union[Provider, _Mapping]]] = ...) -> None: ...

class LocateResponse(_message.Message):
    __slots__ = ("located",)
    LOCATED_FIELD_NUMBER: _ClassVar[int]
    located: _containers.RepeatedCompositeFieldContainer[Located]
    def __init__(self, located: _Optional[_Iterable[_Union[Located, _Mapping]]] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("words", "sha256", "peer", "kind", "min_size_bytes", "max_size_bytes", "page", "page_size", "content", "literal")
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MIN_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    LITERAL_FIELD_NUMBER: _ClassVar[int]
    words: str
    sha256: bytes
    peer: str
    kind: Kind
    min_size_bytes: int
    max_size_bytes: int
    page: str
    page_size: int
    content: bytes
    literal: bool
    def __init__(self, words: _Optional[str] = ..., sha256: _Optional[bytes] = ..., peer: _Optional[str] = ..., kind: _Optional[_Union[Kind, str]] = ..., min_size_bytes: _Optional[int] = ..., max_size_bytes: _Optional[int] = ..., page: _Optional[str] = ..., page_size: _Optional[int] = ..., content: _Optional[bytes] = ..., literal: _Optional[bool] = ...) -> None: ...

class NamedBy(_message.Message):
    __slots__ = ("peer", "path")
    PEER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    peer: str
    path: str
    def __init__(self, peer: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("content", "size_bytes", "kind", "sha256", "names", "providers", "names_total")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    NAMES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    size_bytes: int
    kind: Kind
    sha256: bytes
    names: _containers.RepeatedCompositeFieldContainer[NamedBy]
    providers: int
    names_total: int
    def __init__(self, content: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., kind: _Optional[_Union[Kind, str]] = ..., sha256: _Optional[bytes] = ..., names: _Optional[_Iterable[_Union[NamedBy, _Mapping]]] = ..., providers: _Optional[int] = ..., names_total: _Optional[int] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("hits", "next_page", "capped")
    HITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_FIELD_NUMBER: _ClassVar[int]
    CAPPED_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    next_page: str
    capped: bool
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., next_page: _Optional[str] = ..., capped: _Optional[bool] = ...) -> None: ...

class ListFolderRequest(_message.Message):
    __slots__ = ("peer", "folder", "page", "page_size")
    PEER_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    peer: str
    folder: str
    page: str
    page_size: int
    def __init__(self, peer: _Optional[str] = ..., folder: _Optional[str] = ..., page: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class FolderItem(_message.Message):
    __slots__ = ("name", "is_folder", "content", "size_bytes", "files", "uncounted", "sha256", "content_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_FOLDER_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    UNCOUNTED_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_folder: bool
    content: bytes
    size_bytes: int
    files: int
    uncounted: bool
    sha256: bytes
    content_bytes: int
    def __init__(self, name: _Optional[str] = ..., is_folder: _Optional[bool] = ..., content: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., files: _Optional[int] = ..., uncounted: _Optional[bool] = ..., sha256: _Optional[bytes] = ..., content_bytes: _Optional[int] = ...) -> None: ...

class ListFolderResponse(_message.Message):
    __slots__ = ("items", "next_page")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[FolderItem]
    next_page: str
    def __init__(self, items: _Optional[_Iterable[_Union[FolderItem, _Mapping]]] = ..., next_page: _Optional[str] = ...) -> None: ...

class ListPeersRequest(_message.Message):
    __slots__ = ("page", "page_size")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    page: str
    page_size: int
    def __init__(self, page: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class PeerInfo(_message.Message):
    __slots__ = ("name", "host", "port", "reachable", "entries", "joined_s_ago", "renewed_s_ago")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    JOINED_S_AGO_FIELD_NUMBER: _ClassVar[int]
    RENEWED_S_AGO_FIELD_NUMBER: _ClassVar[int]
    name: str
    host: str
    port: int
    reachable: bool
    entries: int
    joined_s_ago: float
    renewed_s_ago: float
    def __init__(self, name: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., reachable: _Optional[bool] = ..., entries: _Optional[int] = ..., joined_s_ago: _Optional[float] = ..., renewed_s_ago: _Optional[float] = ...) -> None: ...

class ListPeersResponse(_message.Message):
    __slots__ = ("peers", "next_page", "store")
    PEERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    peers: _containers.RepeatedCompositeFieldContainer[PeerInfo]
    next_page: str
    store: str
    def __init__(self, peers: _Optional[_Iterable[_Union[PeerInfo, _Mapping]]] = ..., next_page: _Optional[str] = ..., store: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("peers", "names", "contents", "sha256s")
    PEERS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    SHA256S_FIELD_NUMBER: _ClassVar[int]
    peers: bool
    names: _containers.RepeatedScalarFieldContainer[str]
    contents: _containers.RepeatedScalarFieldContainer[bytes]
    sha256s: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, peers: _Optional[bool] = ..., names: _Optional[_Iterable[str]] = ..., contents: _Optional[_Iterable[bytes]] = ..., sha256s: _Optional[_Iterable[bytes]] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("joined", "left", "came", "missed")
    JOINED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    CAME_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    joined: _containers.RepeatedScalarFieldContainer[str]
    left: _containers.RepeatedScalarFieldContainer[str]
    came: bool
    missed: bool
    def __init__(self, joined: _Optional[_Iterable[str]] = ..., left: _Optional[_Iterable[str]] = ..., came: _Optional[bool] = ..., missed: _Optional[bool] = ...) -> None: ...

class AuthorityRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AuthorityResponse(_message.Message):
    __slots__ = ("certificate",)
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    def __init__(self, certificate: _Optional[bytes] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("name", "signing_request", "secret")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNING_REQUEST_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    name: str
    signing_request: bytes
    secret: bytes
    def __init__(self, name: _Optional[str] = ..., signing_request: _Optional[bytes] = ..., secret: _Optional[bytes] = ...) -> None: ...

class EnrolResponse(_message.Message):
    __slots__ = ("credential", "certificate")
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    credential: bytes
    certificate: bytes
    def __init__(self, credential: _Optional[bytes] = ..., certificate: _Optional[bytes] = ...) -> None: ...

class RenewCertificateRequest(_message.Message):
    __slots__ = ("signing_request",)
    SIGNING_REQUEST_FIELD_NUMBER: _ClassVar[int]
    signing_request: bytes
    def __init__(self, signing_request: _Optional[bytes] = ...) -> None: ...

class RenewCertificateResponse(_message.Message):
    __slots__ = ("certificate",)
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    def __init__(self, certificate: _Optional[bytes] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Member(_message.Message):
    __slots__ = ("name", "enrolled_at_s", "certified_until_s", "here", "enrolled_by")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENROLLED_AT_S_FIELD_NUMBER: _ClassVar[int]
    CERTIFIED_UNTIL_S_FIELD_NUMBER: _ClassVar[int]
    HERE_FIELD_NUMBER: _ClassVar[int]
    ENROLLED_BY_FIELD_NUMBER: _ClassVar[int]
    name: str
    enrolled_at_s: int
    certified_until_s: int
    here: bool
    enrolled_by: str
    def __init__(self, name: _Optional[str] = ..., enrolled_at_s: _Optional[int] = ..., certified_until_s: _Optional[int] = ..., here: _Optional[bool] = ..., enrolled_by: _Optional[str] = ...) -> None: ...

class JoinLine(_message.Message):
    __slots__ = ("id", "until_s", "uses", "uses_left")
    ID_FIELD_NUMBER: _ClassVar[int]
    UNTIL_S_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    USES_LEFT_FIELD_NUMBER: _ClassVar[int]
    id: str
    until_s: int
    uses: int
    uses_left: int
    def __init__(self, id: _Optional[str] = ..., until_s: _Optional[int] = ..., uses: _Optional[int] = ..., uses_left: _Optional[int] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members", "join_lines", "pin")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    JOIN_LINES_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    join_lines: _containers.RepeatedCompositeFieldContainer[JoinLine]
    pin: bytes
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., join_lines: _Optional[_Iterable[_Union[JoinLine, _Mapping]]] = ..., pin: _Optional[bytes] = ...) -> None: ...

class MintJoinLineRequest(_message.Message):
    __slots__ = ("valid_s", "uses")
    VALID_S_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    valid_s: int
    uses: int
    def __init__(self, valid_s: _Optional[int] = ..., uses: _Optional[int] = ...) -> None: ...

class MintJoinLineResponse(_message.Message):
    __slots__ = ("join_line", "secret", "addresses")
    JOIN_LINE_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    join_line: JoinLine
    secret: bytes
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, join_line: _Optional[_Union[JoinLine, _Mapping]] = ..., secret: _Optional[bytes] = ..., addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class RevokeJoinLineRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RevokeJoinLineResponse(_message.Message):
    __slots__ = ("was_known",)
    WAS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    was_known: bool
    def __init__(self, was_known: _Optional[bool] = ...) -> None: ...

class RemoveMemberRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RemoveMemberResponse(_message.Message):
    __slots__ = ("was_known",)
    WAS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    was_known: bool
    def __init__(self, was_known: _Optional[bool] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("ready", "problem", "access", "peers", "peers_reachable", "entries", "holdings", "lease_s", "details")
    READY_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    PEERS_REACHABLE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    HOLDINGS_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    ready: bool
    problem: str
    access: str
    peers: int
    peers_reachable: int
    entries: int
    holdings: int
    lease_s: float
    details: StatusDetails
    def __init__(self, ready: _Optional[bool] = ..., problem: _Optional[str] = ..., access: _Optional[str] = ..., peers: _Optional[int] = ..., peers_reachable: _Optional[int] = ..., entries: _Optional[int] = ..., holdings: _Optional[int] = ..., lease_s: _Optional[float] = ..., details: _Optional[_Union[StatusDetails, _Mapping]] = ...) -> None: ...

class StatusDetails(_message.Message):
    __slots__ = ("version", "up_s", "store", "store_answer_s", "store_waiting", "search_lag_entries", "leases_ended", "calls", "calls_failed", "calls_under_way", "calls_per_s")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UP_S_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    STORE_ANSWER_S_FIELD_NUMBER: _ClassVar[int]
    STORE_WAITING_FIELD_NUMBER: _ClassVar[int]
    SEARCH_LAG_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LEASES_ENDED_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FAILED_FIELD_NUMBER: _ClassVar[int]
    CALLS_UNDER_WAY_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_S_FIELD_NUMBER: _ClassVar[int]
    version: str
    up_s: float
    store: str
    store_answer_s: float
    store_waiting: int
    search_lag_entries: int
    leases_ended: int
    calls: int
    calls_failed: int
    calls_under_way: int
    calls_per_s: float
    def __init__(self, version: _Optional[str] = ..., up_s: _Optional[float] = ..., store: _Optional[str] = ..., store_answer_s: _Optional[float] = ..., store_waiting: _Optional[int] = ..., search_lag_entries: _Optional[int] = ..., leases_ended: _Optional[int] = ..., calls: _Optional[int] = ..., calls_failed: _Optional[int] = ..., calls_under_way: _Optional[int] = ..., calls_per_s: _Optional[float] = ...) -> None: ...
