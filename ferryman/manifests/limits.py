"""How many manifests one tag may consist of, for discovery and for every transport."""

MAX_INDEX_DEPTH = 5  # an index in an index in an index …
MAX_MANIFESTS = 500  # of one tag, nested indexes included; the largest in the wild have some dozens
