"""``python -m mellea.cli``: the command line where the script ``mellea`` is not on the path."""

import sys

from mellea.cli import main

sys.exit(main())
