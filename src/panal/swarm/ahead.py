"""Whether a download is ahead of those of its neighbours, and so asks fewer sources at once.

Over full uplinks some fare better than others, for no merit of theirs. What they take more, others
get later, and when only those are left, much of all uplinks idles. So who is a little ahead leaves
sources to the others, who ask them anyway. Who is far ahead all the same has quicker links: it is
kept waiting for nobody, and will soon send to all.
"""

LEAD_SHARE = 0.02
FEWEST_CHUNKS = 4
"""So much more of the file than neighbours on average, or so many chunks: less is chance."""
FAR_SHARE = 0.1
"""So much more, and it waits no longer."""
LEFT_SHARE = 0.5
"""When no more is left of the least lead than this, all sources are asked again."""
ASKED_SHARE = 0.5
"""Of the sources, meanwhile."""
FEWEST_ASKED = 2


class Ahead:
    """Whether to yield, looked at anew now and then."""

    def __init__(self, chunk_count: int) -> None:
        self._least = max(FEWEST_CHUNKS, LEAD_SHARE * chunk_count)
        self._far = max(self._least, FAR_SHARE * chunk_count)
        self._yields = False
        self._is_far = False

    def most_asked(self, lead: float, ready: int) -> int | None:
        """How many of `ready` sources to ask at once; None for all.

        `lead` is how many chunks more we gained than others on average.
        """
        if lead <= LEFT_SHARE * self._least:
            self._yields = self._is_far = False
        elif lead > self._far:
            self._yields, self._is_far = False, True
        elif lead > self._least:
            self._yields = not self._is_far
        return max(FEWEST_ASKED, int(ASKED_SHARE * ready)) if self._yields else None
