"""Whether operations are being recorded, per thread."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    enabled = True  # record what is done
    inference = False  # mark results as never to be recorded
    graph = False  # a backward pass is itself being recorded: saved arrays come as Variables
    anomaly = ""  # "nan" or "errors", inside ``detect_anomaly()``
    watchers: tuple[Callable[[Any], None], ...] = ()  # called with each node that is recorded
    autocast: Any = None  # a Casting, inside ``autocast()``


mode = _Mode()


def is_grad_enabled() -> bool:
    """True where operations are being recorded."""
    return mode.enabled


def is_inference_mode_enabled() -> bool:
    """True inside ``inference_mode()``."""
    return mode.inference


class _Switch:
    """A context manager and decorator that sets modes and puts them back."""

    def __init__(self, **modes: bool) -> None:
        self.modes = modes
        self.outer: list[dict[str, bool]] = []

    def __enter__(self) -> None:
        self.outer.append({name: getattr(mode, name) for name in self.modes})
        vars(mode).update(self.modes)

    def __exit__(self, *_: object) -> None:
        vars(mode).update(self.outer.pop())

    def __call__(self, function: F) -> F:
        modes = self.modes
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
                return _stepwise(function(*args, **kwargs), modes)

            return steps  # type: ignore[return-value]  # wraps() keeps the signature

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with _Switch(**modes):
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]  # wraps() keeps the signature


def _stepwise(generator: Generator[Any, Any, Any], modes: dict[str, bool]) -> Iterator[Any]:
    """Run a generator with the modes set while it runs, not while it waits."""
    resume: Callable[[], Any] = partial(next, generator)
    try:
        while True:
            try:
                with _Switch(**modes):
                    item = resume()
            except StopIteration as end:
                return end.value
            try:
                sent = yield item
                resume = partial(generator.send, sent)
            except GeneratorExit:
                raise
            except BaseException as error:  # thrown in by the caller: the generator may handle it
                resume = partial(generator.throw, error)
    finally:
        with _Switch(**modes):
            generator.close()


class no_grad(_Switch):
    """Context and decorator in which nothing is recorded.

    >>> import tinyconv as tc
    >>> x = tc.ones(2, requires_grad=True)
    >>> with tc.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    enabled = False

    def __new__(cls, function: Any = None) -> Any:
        """``@no_grad`` without parentheses wraps at once."""
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: Any = None) -> None:
        super().__init__(enabled=self.enabled)


class enable_grad(no_grad):
    """Context and decorator in which operations are recorded again."""

    enabled = True


class set_grad_enabled(_Switch):
    """Switch recording on or off at once; as a context, put it back at the end."""

    def __init__(self, mode: bool) -> None:
        super().__init__(enabled=bool(mode))
        self.__enter__()

    def __enter__(self) -> None:
        if not self.outer:  # entered by the constructor; ``with`` must not enter twice
            super().__enter__()

    def __call__(self, function: F) -> F:
        self.__exit__()  # as a decorator it acts on the function only
        return super().__call__(function)


class inference_mode(_Switch):
    """Context and decorator in which nothing is recorded, nor can its results be recorded later.

    With ``mode=False`` it does the opposite, whatever it stands in.
    """

    def __new__(cls, mode: Any = True) -> Any:
        """``@inference_mode`` without parentheses wraps at once."""
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(enabled=not mode, inference=bool(mode))
