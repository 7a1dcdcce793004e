"""What can be typed after `ferryman`: a module a command, each with a click command called `command`.

`cli.py` lists them, and imports a module when its command is called. A command parses, calls what does the work, and
prints by `views`. Modules of commands are blind to one another; what they share stands beside them.
"""
