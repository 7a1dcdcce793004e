"""The result of one check: the objects of `check --json`."""

from typing import Self

from pydantic import Field

from ferryman.inspection import Finding
from ferryman.views.documents.base import Document


class FindingDocument(Document):
    """What was tested, and whether it works."""

    what: str = Field(description="What was tested.")
    works: bool = Field(description="Whether it works.")
    message: str = Field(description="The result, in words.")
    told: str = Field(
        description="The former name of `message`. Version 1.2 removes it.", json_schema_extra={"deprecated": True}
    )

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """The document of a finding."""
        return cls(what=finding.what, works=finding.works, message=finding.message, told=finding.message)
