"""What the log says of a page that could not be made."""

from ferryman import log
from ferryman.errors import StoreError


def log_store_failure(error: StoreError) -> None:
    """The database failed it."""
    log.get().error("web_store_failed", message="the database failed a request of the page", error=str(error))


def log_defect(path: str, error: Exception) -> None:
    """A defect of ours ended it."""
    log.get().error("web_defect", message="a defect ended a request of the page", path=path, exc_info=error)
