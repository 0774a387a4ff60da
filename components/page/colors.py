"""The colours of all charts. What they mean is also told by position, words or marks."""

WAITING, MODEL, THINKING, TOOL, FAILED = "#8a94a3", "#2f74d0", "#7a5bd0", "#d98a00", "#d23b3b"
GOOD = "#2a9d63"
