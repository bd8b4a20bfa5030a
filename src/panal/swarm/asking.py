"""When to ask the tracker for sources: at the start, then regularly, sooner in need or at news.

Decides nothing else; whoever drives it says whether chunks are missing everywhere.
"""

from panal.back_off import doubled

FIRST_LOOK_AGAIN_S = 1.0
"""How soon after the first answer: others may have begun with us; doubled up to ASK_AGAIN_S."""
ASK_AGAIN_S = 30.0
"""How often the tracker is asked while all goes well."""
FIRST_ASK_AGAIN_S = 0.5
"""How soon while chunks are missing everywhere; doubled up to LONGEST_PAUSE_S."""
LONGEST_PAUSE_S = 15.0
HEAR_AFTER_S = 2.0
"""Chunks are missing everywhere for so long: the tracker's news are listened to."""


class Asking:
    """The questions of one download to its tracker, at most one at a time."""

    def __init__(self) -> None:
        self.problem = ""
        """Why the tracker did not answer, in words."""
        self.has_answered = False
        self._under_way = False
        self._next_s = 0.0
        self._in_vain = 0
        self._asks = 0
        self._asked_at_s = 0.0
        self._has_news = False
        """Since the question that is under way."""
        self._in_need_since_s: float | None = None
        self.hears_news = False

    def pause_s(self, now_s: float) -> float:
        """How long until it is asked again; 0 while it is being asked."""
        return 0.0 if self._under_way else max(0.0, self._next_s - now_s)

    def begin_if_due(self, now_s: float) -> bool:
        """Whether to ask now; then a question is under way."""
        if self._under_way or now_s < self._next_s:
            return False
        self._under_way, self._has_news, self._asked_at_s = True, False, now_s
        return True

    def answered(self, problem: str, starving: bool, now_s: float) -> None:
        """Take the answer, or why there is none; in need the pauses grow."""
        self._under_way = False
        self.problem = problem
        self.has_answered = self.has_answered or not problem
        if starving:
            pause_s = min(LONGEST_PAUSE_S, doubled(FIRST_ASK_AGAIN_S, self._in_vain))
            self._in_vain += 1
        else:
            pause_s, self._in_vain = min(ASK_AGAIN_S, doubled(FIRST_LOOK_AGAIN_S, self._asks)), 0
            self._asks += 1
        self._next_s = now_s + pause_s
        if self._has_news:
            self.at_once(now_s)

    def at_once(self, now_s: float) -> None:
        """There is news: ask, and once more where a question is under way that may be older."""
        self._has_news = self._under_way
        self._next_s = min(self._next_s, max(now_s, self._asked_at_s + FIRST_ASK_AGAIN_S))

    def look(self, in_need: bool, now_s: float) -> bool:
        """Whether to begin, or to cease, to listen to the tracker's news."""
        if not in_need:
            self._in_need_since_s = None
        elif self._in_need_since_s is None:
            self._in_need_since_s = now_s
        since_s, before = self._in_need_since_s, self.hears_news
        self.hears_news = since_s is not None and now_s - since_s >= HEAR_AFTER_S
        return self.hears_news is not before

    def hurry(self, now_s: float) -> None:
        """Chunks are missing everywhere from now on: ask soon, unless that is known already."""
        if self._in_vain == 0:
            self._next_s = min(self._next_s, now_s + FIRST_ASK_AGAIN_S)
