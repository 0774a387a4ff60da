"""Prompt comparison: a set of variants, cases and checks, and its results."""
