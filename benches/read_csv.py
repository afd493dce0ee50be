"""A CSV file into typed columns: rows, columns, seconds and peak megabytes, for `ingest.rs`."""

import resource
import sys
import time

reader, path = sys.argv[1:]
if reader == "polars":
    import polars

    start = time.perf_counter()
    table = polars.read_csv(path, try_parse_dates=True, null_values=["NA"])
else:
    import pandas

    start = time.perf_counter()
    table = pandas.read_csv(path)
seconds = time.perf_counter() - start
rows, columns = table.shape
print(rows, columns, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
