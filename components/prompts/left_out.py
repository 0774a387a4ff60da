"""What a file asks for and was not taken, in words."""

from collections.abc import Iterable

from components.page.texts import plain, t
from streamlab.prompts.left_out import LeftOut


def left_out_lines(left_out: Iterable[LeftOut]) -> list[str]:
    """Describe each in one line, with its place in the file."""
    return [
        t(f"prompts.left_out_{each.code}", place=plain(each.place), detail=plain(" ".join(each.detail.split())))
        for each in left_out
    ]
