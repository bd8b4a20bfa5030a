"""What the OpenAPI document says in the same words for many routes."""

from typing import Any

from panal.peer.roles import Role

ABOUT = """What a peer of Panal answers, as its own page uses it. The document is made of the
routes that the peer has registered and of the structs that they read and write.

*public*: anybody. *member*: in a network whoever shows a member's certificate; on an open
network whoever reaches the peer; always the owner. *owner*: a process of the peer's own user
over loopback, without any credential; elsewhere whoever shows the owner's token or has a
session. *guest*: whoever has a link; its address is the credential.

Requests name the peer by IP address, as `localhost` or by a name that it was given, else they
are answered 421. No other site's page is let in (403). Errors are problem documents
(RFC 9457); programs decide by their `type`. Sizes are bytes, ids and hashes hex, times
seconds since 1970 unless a field says otherwise. A reader ignores fields that it does not
know; a request with fields in its JSON that a peer does not know is refused. What is not
known is null. Words and wire formats: docs/PROTOCOL.md."""
SCHEMES: dict[str, Any] = {
    "ownerToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "What stands in `owner-token` in the peer's state directory.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "panal-5000",
        "description": "The cookie that `POST /session` sets; the number is the peer's port.",
    },
    "memberCertificate": {
        "type": "mutualTLS",
        "description": "A member's certificate, in a network; over TLS 1.3.",
    },
}
_BY_CONNECTION: dict[str, list[str]] = {}
SECURITY: dict[Role, list[dict[str, list[str]]]] = {
    Role.PUBLIC: [],
    Role.GUEST: [],
    Role.MEMBER: [_BY_CONNECTION, {"memberCertificate": []}, {"ownerToken": []}, {"session": []}],
    Role.OWNER: [_BY_CONNECTION, {"ownerToken": []}, {"session": []}],
}
GUESTS: dict[str, Any] = {
    "url": "http://{host}:{port}",
    "description": "The guests' own listener, where there is one.",
    "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "5080"}},
}
HERE = {"url": "/", "description": "This peer."}
GOOD = {
    200: "As asked for.",
    201: "Made.",
    202: "Begun; `Location` says where it is.",
    204: "Done; there is nothing to tell.",
    206: "The parts that were asked for.",
    207: "Some of several files are stored, others are not.",
    303: "It is elsewhere, as `Location` says.",
    304: "It is what the client has.",
    308: "A folder: its list is where `Location` says.",
    412: "Another version of the protocol was meant.",
    415: "Its type is not the one that is taken here.",
    503: "Not now.",
}
"""What statuses of answers mean that are no problems."""
_FIELDS = {
    "Range": "The bytes that are wanted (RFC 9110, section 14); nonsense is ignored.",
    "If-Range": "The strong entity tag of which they are parts; another: the whole is sent.",
    "If-None-Match": "Entity tags that the client has: 304 where one is the content's.",
}
RANGE_FIELDS: list[dict[str, Any]] = [
    {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}
    for name, words in _FIELDS.items()
]
"""Header fields that a request for a content's bytes may have."""
