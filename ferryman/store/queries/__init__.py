"""What the page, its API and the verdict read of the database: a module for each question, plain values as answers.

Each query goes through an index: none reads all tags, or all attempts (tested by their plans). They are driven by the
targets of items.yml, so tags of former items are in no number.
"""
