"""``python -m migrations``: bring the database to this version's schema, and say so. For one-shot containers."""

from __future__ import annotations

import sys

from catalog.bootstrap import Application, settings_from_environment
from embeddings.errors import ExplainedError
from migrations.runner import head, upgrade


def main() -> int:
    """The exit code: 0, or 1 with the reason on standard error."""
    try:
        with Application(settings_from_environment()) as application:
            upgrade(application.database_url)
    except ExplainedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The database is at schema version {head()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
