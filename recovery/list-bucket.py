"""Says what lies below an ObjectStore's destinationPath: in the cluster, in the sidecar's image, with its credentials, as the recovery itself would see it.

Prints a line "begin", and gzip in base64: {"objects": [[key, bytes, seconds], ...], "texts": {key: text}, "commits": {folder of WAL: seconds},
"unreadable": {folder of WAL/name: why}}, or {"error": code, "message": text}; after it a line "end".
"""

import base64
import gzip
import json
import os
import struct
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
from botocore.config import Config

destination = os.environ["DESTINATION"].rstrip("/")
endpoint = os.environ["ENDPOINT_URL"]
bucket = urlsplit(destination).netloc
prefix = urlsplit(destination).path.strip("/")

# The last segments, which are searched for the last commit: a bulk load may fill several without one.
SEARCHED = 4


class Unreadable(Exception):
    """A file of WAL that a recovery could not read either, and why."""


def restored(folder, name):
    """A file of an archive's WAL, which may be compressed: the tool that knows how is there."""
    server = folder[len(prefix) :].strip("/").split("/")[0]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "restored")
        endpoint_option = ["--endpoint-url", endpoint] if endpoint else []
        ended = subprocess.run(
            ["barman-cloud-wal-restore", "--cloud-provider", "aws-s3", *endpoint_option, destination, server, name, path],
            capture_output=True,
            text=True,
        )
        if ended.returncode != 0:
            said = ended.stderr.strip().splitlines() or [f"barman-cloud-wal-restore ended with {ended.returncode}"]
            raise Unreadable(said[-1])
        with open(path, "rb") as file:
            return file.read()


def restored_segment(folder, name):
    """A WAL segment that is whole (src/include/access/xlog_internal.h: the first page says how many bytes it has)."""
    segment = restored(folder, name)
    said = struct.unpack_from("<I", segment, 32)[0] if len(segment) >= 40 else "at least 40"
    if len(segment) != said:
        raise Unreadable(f"it has {len(segment)} bytes, and should have {said}")
    return segment


def ends_of_transactions(segment):
    """When the transactions ended that end in a WAL segment, in seconds since 1970 (src/include/access: xlog_internal.h, xlogrecord.h, xact.h)."""
    page_bytes, header_bytes, transactions = 8192, 24, 1
    first_is_continued, long_header = 1, 2
    ends = {0x00, 0x20, 0x30, 0x40}  # COMMIT, ABORT, and both of what was prepared
    stream, start, expected = bytearray(), 0, None
    for at in range(0, len(segment), page_bytes):
        _, info, _, address, remaining = struct.unpack_from("<HHIQI", segment, at)
        if expected is None:
            start = (remaining + 7) // 8 * 8 if info & first_is_continued else 0
        elif address != expected:
            break  # Nothing was written from here on.
        expected = address + page_bytes
        stream += segment[at + (40 if info & long_header else 24) : at + page_bytes]
    while start + header_bytes <= len(stream):
        length, _, _, info, manager = struct.unpack_from("<IIQBB", stream, start)
        if length < header_bytes:
            break
        if manager == transactions and info & 0x70 in ends:
            body = stream[start + header_bytes : start + length]
            skip = 0
            while body[skip : skip + 1] in (b"\xfc", b"\xfd"):  # the outer transaction, the origin
                skip += 5 if body[skip] == 0xFC else 3
            skip += 2 if body[skip : skip + 1] == b"\xff" else 5
            if len(body) >= skip + 8:
                yield struct.unpack_from("<q", body, skip)[0] / 1e6 + 946684800  # from 2000-01-01
        start += (length + 7) // 8 * 8


def look_at_last(folder, names, unreadable):
    """When the last transaction ended that is archived; None where the last segments have no end of one. All of these are tried whether they can be read."""
    newest = sorted(set(names), reverse=True)[:SEARCHED]

    def last_end(name):
        try:
            return max(ends_of_transactions(restored_segment(folder, name)), default=None)
        except Unreadable as error:
            unreadable[f"{folder}/{name}"] = str(error)
            return None

    with ThreadPoolExecutor(SEARCHED) as side_by_side:
        return next((at for at in side_by_side.map(last_end, newest) if at is not None), None)


def listing():
    client = boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3}),
    )
    objects, texts, newest, segments, unreadable = [], {}, {}, {}, {}
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
    for page in pages:
        for found in page.get("Contents", []):
            key = found["Key"]
            objects.append([key, found["Size"], found["LastModified"].timestamp()])
            if key.endswith("/backup.info"):
                texts[key] = client.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
            folder, _, name = key.rpartition("/")
            if folder.endswith("/wals") and ".history" in name:
                newest[folder] = max(newest.get(folder, ""), key)
            above = folder.rpartition("/")[0]
            if above.endswith("/wals") and len(name.split(".")[0]) == 24 and not {"partial", "backup"} & set(name.split(".")):
                segments.setdefault(above, []).append(name.split(".")[0])
    for folder, key in newest.items():
        name = key[len(folder) + 1 :].split(".")[0] + ".history"
        try:
            texts[key] = restored(folder, name).decode()
        except Unreadable as error:
            unreadable[f"{folder}/{name}"] = str(error)
    commits = {folder: look_at_last(folder, names, unreadable) for folder, names in segments.items()}
    known = {folder: at for folder, at in commits.items() if at is not None}
    return {"objects": objects, "texts": texts, "commits": known, "unreadable": unreadable}


try:
    answer = listing()
except botocore.exceptions.ClientError as error:
    answer = {"error": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", "")}
except (botocore.exceptions.BotoCoreError, OSError) as error:
    answer = {"error": type(error).__name__, "message": str(error)}
print("begin")
packed = base64.b64encode(gzip.compress(json.dumps(answer).encode())).decode()
for at in range(0, len(packed), 4000):
    print(packed[at : at + 4000])
print("end", flush=True)
