"""What gRPC is told about a tracker's channel."""

from panal.peer.tracker_channel import _OPTIONS


def test_a_connection_has_time_for_a_handshake_far_away() -> None:
    # The option is gRPC's deadline of one attempt: at 100 ms no TLS came about over 50 ms a way.
    assert int(dict(_OPTIONS)["grpc.min_reconnect_backoff_ms"]) >= 4 * 500
