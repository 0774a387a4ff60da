"""The key of a component of our own that shows something with an id."""


def component_key(name: str, id: str) -> str:
    """Name a component by what it shows: Streamlit takes no key with two underscores in a row, which an id may have."""
    return f"{name}.{id.replace('_', '~')}"
