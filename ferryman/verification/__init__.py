"""Compare mirrored tags with what the targets have, and repair what is damaged."""
