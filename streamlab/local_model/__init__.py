"""A real model on this machine: llama.cpp's own server, of the package xllamacpp, over the file of a model."""

LOCAL = "local"
"""The model's name, whatever its file."""
