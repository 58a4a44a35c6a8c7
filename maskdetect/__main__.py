"python -m maskdetect: the command line"
from .cli import main

raise SystemExit(main())
