"""What a peer's doors take at most: every limit on connections and requests, in one table.

docs/SECURITY.md has the same table; a test compares the two.
"""

CONNECTIONS = 1_024
"""In all; a quarter of the descriptors that this process may have, where that is less."""
CONNECTIONS_PER_ADDRESS = 64
"""From one address, an IPv6 /64 counting as one, of one member, or of one other user of this
machine; its own user and root have no limit of their own."""
OWNER_PART = 16
"""Of all connections, a sixteenth is kept for this machine's own user and root."""
HAVE_STREAMS_PER_ADDRESS = 32
"""Availability followed at once; counted as connections are."""
HANDSHAKES = 256
"""Connections to a network's peer in all that have not shown who they are."""
GUEST_CONNECTIONS = 128
"""In all on the guests' listener, which keeps nobody out of the peer's own."""
GUEST_CONNECTIONS_PER_ADDRESS = 16
DESCRIPTORS_PART = 4
HEAD_S = 10.0
"""From a connection, or from the first byte of a later request, until its head is whole."""
IDLE_S = 30.0
"""Between two requests."""
SLOW_S = 30.0
"""So long may a body, or a receiver, be slower than the least rate."""
LEAST_BYTES_S = 1_024
"""Of what comes in and of what is taken. Not more: our own link may be what is slow, shared by
all who are sent to at once."""
LINGER_S = 5.0
"""So long is read on, after a refusal, what still comes: else it would not be seen."""
REQUEST_LINE_BYTES = 8_190
FIELD_BYTES = 8_190
FIELDS = 128
HEAD_BYTES = 32 * 1024
"""Of a request line and all its fields together."""
MOST_AHEAD_BYTES = 128 * 1024
"""Of further requests that come while an answer is on its way."""
SESSION_BYTES = 1_024
"""Of what begins a session, which anybody may send: all of it within `HEAD_S`."""
JSON_BYTES = 1024 * 1024
UPLOADS_AT_ONCE = 8
"""Others wait."""
LISTENERS = 16
"""To the stream of events: a page each."""
BACKLOG = 256
DRAIN_S = 2.0
"""What is under way has so long when the peer stops."""
