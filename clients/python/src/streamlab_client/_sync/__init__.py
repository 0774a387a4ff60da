# Made by `make unasync` from _async/__init__.py: change that file, not this one.
"""What waits for the server."""
