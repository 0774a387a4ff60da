"""The colours of every chart. What they mean is also told without them: by place, words or marks."""

WAITING, MODEL, THINKING, TOOL, FAILED = "#8a94a3", "#2f74d0", "#7a5bd0", "#d98a00", "#d23b3b"
