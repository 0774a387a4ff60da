"""The pages, in the order and the groups of the navigation."""

HOME = "home"  # is served at the root, the others each at its name

# A page's file in pages/, which is also the section of its texts and its address, and its icon.
GROUPS = {
    "watch": {"chat": "chat", "timeline": "view_timeline"},
    "compare": {"latency": "timer", "prompts": "compare"},
    "teach": {"chunks": "grain", "faults": "electrical_services", "relay": "lan", "room": "groups"},
    "inside": {"about": "schema"},
}
PAGES = {HOME: "home", **{name: icon for group in GROUPS.values() for name, icon in group.items()}}
