"""What of a prompt the demo model has read before: its beginning, block by block, as servers of models remember it."""

BLOCK = 64  # characters, about 16 tokens
KEPT = 20_000  # blocks, the latest; a prompt of 8,000 tokens has 500


class PrefixCache:
    """Remembers prompts by a chain of hashes: a block is known only after the very same beginning.

    Nothing is computed sooner for it, as nothing is read: it decides how long reading is said to take.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, None] = {}

    def known(self, model: str, prompt: str) -> float:
        """Return which share of the prompt `model` has read before, and remember all of it."""
        chain, known, new = hash(model), 0, False
        whole = len(prompt) // BLOCK
        for number in range(whole):
            chain = hash((chain, prompt[number * BLOCK : (number + 1) * BLOCK]))
            new = new or chain not in self._blocks
            known += not new
            self._blocks.pop(chain, None)  # so that it is the latest
            self._blocks[chain] = None
        while len(self._blocks) > KEPT:
            del self._blocks[next(iter(self._blocks))]
        return known * BLOCK / len(prompt) if prompt else 0.0
