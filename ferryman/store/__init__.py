"""The state database. Only this package uses SQLAlchemy.

`database.database.open_database` opens it; `queue.queue.Queue` and `ledger.Ledger` are its main interfaces.
"""
