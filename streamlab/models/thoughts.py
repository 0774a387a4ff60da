"""Reasoning that a model writes into its answer, between `<think>` and `</think>` or their relatives."""

import re

MARKS: dict[str, str] = {
    "[think]": "[/think]",  # Mistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|start_thinking|>": "<|end_thinking|>",  # Cohere
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel>thought": "<channel|>",
    "<|channel|>analysis<|message|>": "<|end|><|start|>assistant<|channel|>final<|message|>",  # gpt-oss
}
"""What ends a thought, by what begins it, in lower case; besides tags, which end by their own name."""

_TAG = re.compile(r"<((?:\w{1,20}[:_])?(?:think|thinking|thoughts?|reasoning))(?:\s[^<>]{0,60})?>", re.IGNORECASE)
_BEGUN_TAG = re.compile(r"<[\w:]{0,40}(?:\s[^<>]{0,60})?\Z")
_LONGEST = 128  # characters of a mark that begins a thought
_SKIPPED = "<|start_response|>"  # Cohere's, between a thought and the answer


class Thoughts:
    """Parts a text into thoughts and answer, as it arrives.

    Only what stands before the answer is a thought: within it, such as in a code fence, a mark is text. White space
    around a thought belongs to neither.
    """

    def __init__(self) -> None:
        self._held = ""
        self._end: str | None = None  # the mark that ends the open thought
        self._begun = False  # the open thought has text, or the answer has
        self._after = False  # a thought came before

    @property
    def over(self) -> bool:
        """Whether the answer has begun, so that nothing is a thought any more."""
        return self._begun and self._end is None

    def part(self, text: str) -> tuple[str, str]:
        """Give the thought and the answer that this text brings; an undecided end is held until more comes."""
        if self.over:
            return "", text
        self._held += text
        thought = ""
        while self._held:
            if self._end is None:
                answer = self._outside()
                if self._end is None:
                    return thought, answer
            else:
                thought += self._inside(self._end)
                if self._end is not None:
                    break
        return thought, ""

    def rest(self) -> tuple[str, str]:
        """Give what is still held, at the end of the text."""
        held, self._held = self._held, ""
        if self._end is not None:
            return held.rstrip(), ""
        return "", held.lstrip() if self._after else held

    def _outside(self) -> str:
        """Look for a mark where the answer might begin; give the answer's text if there is none."""
        said = self._held.lstrip().lstrip("\ufeff").lstrip()
        head = said[:_LONGEST]
        low = head.lower()
        if self._after and low.startswith(_SKIPPED):
            said = said[len(_SKIPPED) :].lstrip()
        elif tag := _TAG.match(head):
            self._held, self._end = said[tag.end() :], f"</{tag[1].lower()}>"
            return ""
        else:
            for start, end in MARKS.items():
                if low.startswith(start):
                    self._held, self._end = said[len(start) :], end
                    return ""
            if _may_begin(low, head):  # also where there is nothing but white space
                return ""
        answer, self._held, self._begun = said if self._after else self._held, "", True
        return answer

    def _inside(self, end: str) -> str:
        """Give the thought as far as it is one; the mark that ends it may be here in part."""
        if not self._begun:
            self._held = self._held.lstrip()
        if found := re.search(re.escape(end), self._held, re.IGNORECASE):
            thought, self._held = self._held[: found.start()].rstrip(), self._held[found.end() :]
            self._end, self._begun, self._after = None, False, True
            return thought
        kept = len(self._held) - _begun_mark(self._held, end)
        thought = self._held[:kept].rstrip()
        self._held = self._held[len(thought) :]
        self._begun = self._begun or bool(thought)
        return thought


def _may_begin(low: str, head: str) -> bool:
    """Tell whether more characters may make a mark of these."""
    return any(start.startswith(low) for start in (*MARKS, _SKIPPED)) or _BEGUN_TAG.match(head) is not None


def _begun_mark(text: str, mark: str) -> int:
    """Count the characters at the end of the text with which the mark begins."""
    low = text[-len(mark) :].lower()
    return next((length for length in range(min(len(low), len(mark) - 1), 0, -1) if mark.startswith(low[-length:])), 0)
