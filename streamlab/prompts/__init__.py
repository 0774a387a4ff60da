"""Comparing prompts: a set of variants, cases and checks, and what came of it. Nothing here runs a model."""
