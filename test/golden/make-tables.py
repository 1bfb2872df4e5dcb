"""Writes the Parquet files and the workbook that the readers of tables are tested with, by pyarrow and openpyxl.

Needs: pip install pyarrow==26.0.1 openpyxl==3.1.5. Run it in this folder: python make-tables.py
"""

import datetime
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

here = Path(__file__).parent / "tables"
here.mkdir(exist_ok=True)

texts = ["where is my parcel", "i was charged twice", None, "s’il vous plaît – merci", "", "日本語"]
table = pa.table(
    {
        "text": pa.array(texts, pa.string()),
        "large": pa.array(texts, pa.large_string()),
        "labels": pa.array([["a", "b"], [], None, ["c"], ["a"], ["b"]], pa.list_(pa.string())),
        "number": pa.array([1, 2, 2**60, None, -5, 6], pa.int64()),
        "flag": pa.array([True, False, True, None, False, True], pa.bool_()),
        "day": pa.array([datetime.date(2024, 2, 29)] * 5 + [None], pa.date32()),
        "moment": pa.array([datetime.datetime(2024, 2, 29, 12, 30)] * 6, pa.timestamp("us")),
        "share": pa.array([0.5, float("nan"), 1.0, None, 2.5, 3.0], pa.float64()),
        "intent": pa.array(["x", "y", "x", "y", None, "x"]).dictionary_encode(),
    }
)
for compression in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    pq.write_table(table, here / f"{compression}.parquet", compression=compression)
pq.write_table(table, here / "v2.parquet", compression="zstd", data_page_version="2.0")
pq.write_table(table, here / "groups.parquet", row_group_size=2, write_page_index=True)

book = openpyxl.Workbook()
sheet = book.active
sheet.title = "Tickets & more"
sheet.append(["text", "label", "day", "number", "flag"])
sheet.append(["where is my parcel", "shipping", datetime.date(2024, 2, 29), 7, True])
sheet.append([])
sheet.append([" two\nlines ", "billing", datetime.datetime(2024, 2, 29, 12, 30), 0.1, False])
sheet.append([42, "billing", None, None, None])
other = book.create_sheet("Other")
other.append(["text", "label"])
other.append(["from the other sheet", "z"])
book.save(here / "tickets.xlsx")
