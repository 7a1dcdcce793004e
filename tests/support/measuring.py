"""How much of the program the tests run: `pytest --cov`, which reaches the programs that they start by environment."""

import os


def unmeasured() -> dict[str, str]:
    """Our environment for programs that are not to be slowed down by measuring them."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
