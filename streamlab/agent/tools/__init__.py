"""The agent's tools. Each gives a JSON value, or raises ToolException with a sentence that the model can act on.

They block, so LangChain runs `.ainvoke()` in a thread. Any number may run at once: no call shares state with another.
"""

from langchain_core.tools import BaseTool

from streamlab.agent.tools.calculator import calculate
from streamlab.agent.tools.notes import search_notes
from streamlab.agent.tools.sales import query_sales

TOOLS: tuple[BaseTool, ...] = (search_notes, calculate, query_sales)

# Seconds after which to give a call up. All end by themselves well before, on a machine that is not overwhelmed.
TIMEOUTS: dict[str, float] = {"search_notes": 5.0, "calculate": 5.0, "query_sales": 15.0}

__all__ = ["TIMEOUTS", "TOOLS", "calculate", "query_sales", "search_notes"]
