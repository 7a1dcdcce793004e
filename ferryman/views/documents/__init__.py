"""The JSON documents of `--json` and of the web API: one shape for one thing.

Names and order of the keys are stable, and documented in docs/json.md.
"""
