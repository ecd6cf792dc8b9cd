"""The pull requests of many repos, many looked up by one call where their forge can be asked so."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flakesync.forge.model import Forge, OnForge, Pull, PullQuestion

FRESH_S = 60.0
"""How long an answer counts that was given before its repo's turn came: other people change pull requests too."""


@dataclass
class _Line:
    """What is known of one forge.

    waiting: what is likely to be asked, in that order; its values are of no meaning. known: what was answered
    already, and when.
    """

    guard: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[PullQuestion, None] = field(default_factory=dict)
    known: dict[PullQuestion, tuple[float, Pull | None]] = field(default_factory=dict)


class PullLookup:
    """Looks pull requests up; threads may share it.

    The first of the expected ones that is looked up brings the answers for those after it, as many as one call
    takes. Each answer is given once: whoever asks again, after something was changed, asks the forge. What a forge
    does not answer so is asked one by one, which raises what is wrong with that repo alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds; it measures how old answers are."""
        self._clock = clock
        self._lines: dict[int, _Line] = {}

    def expect(self, questions: Iterable[tuple[Forge, PullQuestion]]) -> None:
        """Take note of what is likely to be looked up, in this order; answers given to it before are forgotten.

        Not for when other threads look up.
        """
        for forge, question in questions:
            line = self._lines.setdefault(id(forge), _Line())
            line.known.pop(question, None)
            line.waiting.setdefault(question)

    def find(self, on_forge: OnForge, *, head: str, base: str) -> Pull | None:
        """Return the newest pull request of a repo from one branch into another; raises as `Forge.find` does."""
        question = PullQuestion(on_forge.project, head, base)
        line = self._lines.get(id(on_forge.forge))
        if line is not None:
            with line.guard:
                if question in line.waiting or question in line.known:
                    self._bring(line, on_forge.forge, question)
                line.waiting.pop(question, None)
                answer = line.known.pop(question, None)
            if answer is not None:
                return answer[1]
        return on_forge.find(head=head, base=base)

    def _bring(self, line: _Line, forge: Forge, question: PullQuestion) -> None:
        """Ask for a question and those after it, unless its answer is there and fresh."""
        old = [each for each, (asked, _) in line.known.items() if self._clock() - asked > FRESH_S]
        for each in old:
            del line.known[each]
        line.waiting = {**dict.fromkeys(old), **line.waiting}
        if question in line.known:
            return
        others = [each for each in line.waiting if each != question]
        together = [question, *others[: max(forge.at_once - 1, 0)]]
        if len(together) < 2:
            return
        now = self._clock()
        for each in together:
            line.waiting.pop(each, None)
        line.known |= {each: (now, pull) for each, pull in forge.find_many(together).items()}
