"""The commands: one module each, with a click command named `command`.

`cli.py` lists them, and imports a module when its command is called. A command parses arguments, calls the code that
does the work, and prints with `views`. Command modules do not import one another; shared code has modules of its own.
"""
