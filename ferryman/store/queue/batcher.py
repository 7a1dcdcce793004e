"""Concurrent calls run together: a transaction costs hardly more for several than for one.

What is asked while a run is under way is run together in the next. So nobody waits for company, and the more is asked
at once, the less each costs.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ferryman.errors import Unstorable
from ferryman.store.database.shielded import shielded

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")


class Batcher(Generic[_Question, _Answer]):
    """Runs `run` for whoever asks. It answers questions in their order, all of them, or fails without a trace."""

    def __init__(
        self, run: Callable[[Sequence[_Question]], Coroutine[Any, Any, Sequence[_Answer]]], *, turn: asyncio.Lock
    ) -> None:
        self._run = run
        self._turn = turn  # one run at a time of all that share it
        self._asked: dict[asyncio.Future[_Answer], _Question] = {}  # since the run that is under way

    async def ask(self, question: _Question) -> _Answer:
        """The answer. Cancelling withdraws a question that no run has yet, and never tears a run."""
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._asked[answer] = question
        try:
            async with self._turn:
                if not answer.done():  # by somebody else's run
                    asked, self._asked = self._asked, {}
                    await shielded(self._answer(asked))
            return await answer
        except asyncio.CancelledError:
            self._asked.pop(answer, None)
            if not answer.cancel():
                answer.exception()  # retrieved, or the loop complains of it
            raise

    async def _answer(self, asked: Mapping[asyncio.Future[_Answer], _Question]) -> None:
        """A question that is itself at fault spoils no other: the rest are run one by one. All else is everybody's.

        A database that is locked, or away, would be waited for by each of them in turn.
        """
        try:
            answers = await self._run(list(asked.values()))
        except Exception as error:  # noqa: BLE001 - it is for those who asked
            if isinstance(error, Unstorable) and len(asked) > 1:
                for answer, question in asked.items():
                    await self._answer({answer: question})
                return
            for answer in asked:
                if not answer.cancelled():
                    answer.set_exception(error)
            return
        for answer, value in zip(asked, answers, strict=True):
            if not answer.cancelled():
                answer.set_result(value)
