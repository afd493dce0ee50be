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
    import pyarrow.csv  # noqa: F401, imported before the clock starts

    start = time.perf_counter()
    table = pandas.read_csv(path, engine="pyarrow", dtype_backend="pyarrow")
seconds = time.perf_counter() - start
rows, columns = table.shape
print(rows, columns, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
