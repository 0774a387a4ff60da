"""Packages of providers that are installed only where somebody wants them."""

from importlib.util import find_spec
from typing import NamedTuple

from streamlab.models.failures import Failure
from streamlab.models.provider import INSTALL


class Package(NamedTuple):
    """A package by the name of its `module`, and by the one that it is installed by."""

    module: str
    name: str

    @property
    def missing(self) -> str | None:
        """Its name, if it is not installed."""
        return None if find_spec(self.module) else self.name

    def check(self) -> None:
        """Raise Failure where it is not installed."""
        if self.missing:
            raise Failure("bad_request", detail=f"The package {self.name} is not installed here: {INSTALL}")
