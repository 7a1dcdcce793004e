"""What commands and the web API both do. Prints nothing, and parses no command line.

An operation takes the application or the record, and returns a value that its caller shows in its own way.
"""
