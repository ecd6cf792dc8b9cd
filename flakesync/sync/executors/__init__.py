"""Who carries tasks out: this thread, threads, processes; one Protocol. What they make is the same, whoever does it."""

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

Job = TypeVar("Job", contravariant=True)
Result = TypeVar("Result", covariant=True)


class Executor(Protocol[Job, Result]):
    """Carries tasks out; used by one thread, and begun and ended by `with`.

    Left by an exception, it breaks off what it does; its results are dropped. A task may be carried out more than once,
    and have its result twice: the first one counts.
    """

    def wanted(self, ready: int) -> int:
        """Return how many tasks it takes now in one go, of so many that are ready; one at least where it has none."""

    def submit(self, jobs: Sequence[tuple[str, Job]]) -> None:
        """Begin with tasks, each with its name, as many as were `wanted` at most."""

    def wait(self) -> Sequence[tuple[str, Result]]:
        """Wait for a result at least; return all that there are, with the names of their tasks."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...
