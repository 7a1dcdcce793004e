"""What the documents show, from a real run: the outputs of commands, and a picture of `sync` on a terminal."""
