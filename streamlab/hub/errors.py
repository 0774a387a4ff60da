"""Why a log, or an event in one, cannot be had."""


class UnknownRun(KeyError):
    """No log of this id is here: it never was, or it was evicted."""


class HubFull(RuntimeError):
    """The hub holds as much as it may, and all of it belongs to runs that are not finished."""


class HubUnreachable(RuntimeError):
    """What was asked for is not in this process, and the store that the processes share does not answer."""


class LogFull(ValueError):
    """The event is larger than one event may be."""


class StoreRefused(RuntimeError):
    """The embedded store's file is another process's, another program's or a newer version's: a sentence for people."""


class StoreUnwritable(RuntimeError):
    """Nothing can be kept where the embedded store's file is to be."""
