"""The page that describes the gateway, and tries it out: nothing but this server is needed for it."""
