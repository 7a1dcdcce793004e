"""The state database: the only SQLAlchemy of the program.

`engine.open_database` opens it; `queue.Queue` and `ledger.Ledger` are what the others work with.
"""
