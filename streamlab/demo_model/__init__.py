"""An endpoint that speaks the OpenAI chat-completions protocol, needs no key and answers from a script."""

DEMO = "demo"


def is_demo(name: str) -> bool:
    """Tell whether a model's name is the demo model's, with or without options."""
    return name == DEMO or name.startswith(f"{DEMO}?")
