"""A real model on this machine: llama.cpp's own server, of the package xllamacpp, over the file of a model."""

LOCAL = "local"
"""The model's name, whatever its file."""

LONGEST_ANSWER = 1_024
"""Tokens, where nothing else is asked for: a small model may never come to an end."""
