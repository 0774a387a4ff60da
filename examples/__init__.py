"""Programs to start from. A package, so that the gateway finds the page that it serves."""
