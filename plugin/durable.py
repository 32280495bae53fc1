"""The workflow engine's library, DBOS Transact, without what it loads and we may never need.

It loads PostgreSQL's client whatever database it is for, and a reader of settings files of its own: 10 MB.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


class _Late(ModuleType):
    """Stands for a module that is loaded when something in it is first asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []  # so that it may have modules within

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked by the import system itself
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            raise ImportError(f"{self.__name__}.{name} is needed at once, so that it cannot be loaded later")
        return getattr(import_module(self.__name__), name)


@contextmanager
def _loaded_late(*names: str) -> Iterator[None]:
    """Who imports one of these modules within gets a stand-in; everybody else gets the module itself, at once."""
    stand_ins = {name: _Late(name) for name in names if name not in sys.modules}
    for name, stand_in in stand_ins.items():
        package, _, own = name.rpartition(".")
        if package in stand_ins:
            setattr(stand_ins[package], own, stand_in)
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


with _loaded_late("psycopg", "psycopg.errors", "yaml"):
    from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus

__all__ = ["DBOS", "DBOSConfig", "DBOSPortableJSONSerializer", "SetWorkflowID", "WorkflowStatus"]
