"""Attributes of modules that stand for fields of the flags."""

from __future__ import annotations

from typing import Any

from ..backend.flags import flags


class Setting:
    """An attribute that reads and writes fields of the flags; of several it is the conjunction.

    A module has such attributes once its class has them: ``sys.modules[__name__].__class__ = ...``.
    """

    def __init__(self, *fields: str, kind: type = bool) -> None:
        self.fields, self.kind = fields, kind

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, cls: Any = None) -> Any:
        values = [getattr(flags, field) for field in self.fields]
        return all(values) if self.kind is bool else values[0]

    def __set__(self, owner: Any, value: Any) -> None:
        if type(value) is not self.kind:
            raise RuntimeError(
                f"{self.name} expects a {self.kind.__name__}, but got {type(value).__name__}"
            )
        for field in self.fields:
            setattr(flags, field, value)
