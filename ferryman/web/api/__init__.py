"""The API, `/api/v1/…`: all that the page shows and does, for programs.

Each call is declared once, by `get` or `post` of endpoints.py; the server and docs/openapi.json come from that.
"""
