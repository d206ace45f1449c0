"""`python -m provisioner`."""

import sys

if not sys.flags.safe_path:
    # The interpreter put the caller's folder first: as a rule a checkout, with files that somebody proposed.
    del sys.path[0]

from provisioner.cli.main import main

if __name__ == "__main__":
    main()
