"""What a download waits for, or what limits it."""

import msgspec


class WhySource(msgspec.Struct):
    """What one source does for a content."""

    peer: str
    """Its name."""
    state: str
    """What it is doing, in a word."""
    words: str
    """What it is doing, by its measure; stands behind its name."""
    rate_bytes_s: float
    """What comes from it now."""
    chunks_asked: int
    """How many chunks are under way from it."""
    chunks_missing: int
    """How many of the missing chunks it has; once it is out of touch, had."""
    chunks_absent: int
    """How many of those nobody online has."""
    silent_s: float | None
    """Since its last byte, or since it was asked; null where nothing is asked of it."""
    seen_s_ago: float | None
    """Since it was last in touch; null where it never was."""
    next_try_s: float
    """How long until it is tried again; 0 for now."""
    held_back: bool
    """The peer's own rate limit is what holds it back."""
    evidence: str
    """Why it was left, or is not used any more; empty while all is well."""


class WhyContent(msgspec.Struct):
    """One content that is at work: a file, a folder's list or one of a folder's files."""

    path: str
    """Of a folder's file; else empty."""
    why: str
    """What it waits for, or what limits it, in a sentence."""
    chunks: int
    """How many it has; 0 where it comes in one request."""
    chunks_missing: int
    """How many of them are not here."""
    chunks_absent: list[int]
    """Which of those nobody online has, the first 1,000."""
    sources: list[WhySource]
    """Everybody who is known, the quickest first."""


class WhyAnswer(msgspec.Struct):
    """Why a download stands where it stands."""

    id: str
    """The download's."""
    name: str | None
    """The path below the folder; null until it is known."""
    state: str
    """queued, running, waiting, paused, done or failed."""
    why: str
    """What it waits for, or what limits it, in a sentence."""
    more: list[str]
    """What else there is to know, in sentences."""
    advice: str
    """What you can do; empty where there is nothing to be done."""
    contents: list[WhyContent]
    """What is at work."""
    missing_files: list[str]
    """Of a folder: the first 100 paths that are not here."""
