"""How large something is, for people."""


def readable_size(size: int) -> str:
    """Write bytes as people know them, in steps of 1,024."""
    if size < 1024:
        return f"{size} B"
    if size < 1024 * 1024:
        return f"{size / 1024:.0f} KB"
    return f"{size / 1024 / 1024:.1f} MB"
