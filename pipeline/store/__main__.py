"""`python -m pipeline.store verify STORE ...`: are the bytes those that were written?"""

import sys

from pipeline.errors import InputError
from pipeline.store import verify

if len(sys.argv) < 3 or sys.argv[1] != "verify":
    sys.exit("usage: python -m pipeline.store verify STORE ...")
try:
    for place in sys.argv[2:]:
        print(f"{place}: {verify(place)} shards as written")
except InputError as error:
    sys.exit(f"verify: {error}")
