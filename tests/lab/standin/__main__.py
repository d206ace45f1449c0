"""Run the stand-in as `python -m standin`."""

from __future__ import annotations

import sys

from .command import main

sys.exit(main())
