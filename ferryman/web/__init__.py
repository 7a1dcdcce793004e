"""The page, its API and its probes: the only web server in Ferryman. Only `service.py` imports it."""
