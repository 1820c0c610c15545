"""``python -m spatempo`` is the ``spatempo`` command."""

from __future__ import annotations

import sys

from spatempo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
