"""The peer's own values as the API gives them."""
