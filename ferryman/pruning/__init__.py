"""Remove from the targets what the rules no longer want: told first, a little every day, and never what is needed."""
