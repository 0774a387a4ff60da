"""The pages, in the order of the navigation."""

# The file in pages/, which is also the section of its texts and its address, and its icon.
PAGES = {
    "chat": "chat",
    "timeline": "view_timeline",
    "latency": "timer",
    "prompts": "compare",
    "chunks": "grain",
    "faults": "electrical_services",
    "relay": "lan",
    "about": "schema",
}
