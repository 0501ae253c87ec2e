"""Of WAL segments that lie in an archive in several compressions, leaves the one with this suffix, and prints the segments that have none: in the sidecar, with
the store's keys. DESTINATION is the archive's folder. Arguments: the suffix, which may be empty, and the segments."""

import os
import sys
from urllib.parse import urlsplit

import boto3

suffix, *segments = sys.argv[1:]
place = urlsplit(os.environ["DESTINATION"])
client = boto3.client("s3", endpoint_url=os.environ["ENDPOINT_URL"] or None)
for segment in segments:
    path = f"{place.path.strip('/')}/wals/{segment[:16]}/{segment}"
    forms = {path + end for end in ("", ".gz", ".lz4", ".snappy", ".zst")}
    there = {one["Key"] for one in client.list_objects_v2(Bucket=place.netloc, Prefix=path).get("Contents", [])} & forms
    if path + suffix not in there:
        print(segment)
        continue
    for key in there - {path + suffix}:
        client.delete_object(Bucket=place.netloc, Key=key)
