"""Readers of files that take what no honest file takes. They stand alone: another process loads them by their names."""

import os


def where(data: bytes) -> int:
    return os.getpid()


def for_ever(data: bytes) -> None:
    while True:
        pass


def enormous(data: bytes) -> bytes:
    return bytes(4 * 1024**3)
