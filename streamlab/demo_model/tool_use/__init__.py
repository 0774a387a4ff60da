"""How the demo model uses the tools that it is offered: rules over the question, then over the results."""
