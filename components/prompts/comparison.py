"""The comparisons that a browser made, and the one that is shown."""

from components.page.address import COMPARISON
from components.page.history import History
from components.page.lab import engine
from streamlab.hub import HubUnreachable
from streamlab.prompts.comparison import Comparison

HISTORY: History[Comparison, Comparison] = History(
    "comparisons", COMPARISON, lambda: engine().comparisons, lambda found: found
)


def find(comparison_id: str | None, known: Comparison | None = None) -> Comparison | None:
    """Return the comparison as it stands, or as it is known if the store does not answer. Looking keeps it running."""
    lab = engine()
    try:
        return lab.portal.call(lab.comparisons.find, comparison_id)
    except HubUnreachable:
        return known
