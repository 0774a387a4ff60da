"""A plain estimate of how many tokens a text has, for models that do not say."""


def estimate_tokens(text: str) -> int:
    """Estimate tokens: four ASCII characters count as one (rounded up), any other character as one.

    Coarse on purpose: real tokenizers differ from model to model by more than this estimate errs.
    """
    ascii_characters = len(text.encode("ascii", "ignore"))
    return -(-ascii_characters // 4) + len(text) - ascii_characters
