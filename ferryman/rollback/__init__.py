"""The way back: what a target's tag named before stays there for a time, and the tag can be put back on it."""
