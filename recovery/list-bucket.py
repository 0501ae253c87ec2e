"""Says what lies below an ObjectStore's destinationPath: in the cluster, in the sidecar's image, with its credentials, as the recovery itself would see it.

Prints gzip in base64: {"objects": [[key, bytes, seconds], ...], "texts": {key: text}}, or {"error": code, "message": text}; after it a line "end".
"""

import base64
import gzip
import json
import os
import subprocess
import tempfile
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
from botocore.config import Config

destination = os.environ["DESTINATION"].rstrip("/")
endpoint = os.environ["ENDPOINT_URL"]
bucket = urlsplit(destination).netloc
prefix = urlsplit(destination).path.strip("/")


def history(key):
    """A timeline's history, which may be compressed: the tool that knows how is there."""
    server, name = key[len(prefix) :].strip("/").split("/wals/")
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "history")
        endpoint_option = ["--endpoint-url", endpoint] if endpoint else []
        wal = name.split(".")[0] + ".history"
        subprocess.run(
            ["barman-cloud-wal-restore", "--cloud-provider", "aws-s3", *endpoint_option, destination, server, wal, file],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with open(file, encoding="utf-8") as text:
            return text.read()


def listing():
    client = boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3}),
    )
    objects, texts, newest = [], {}, {}
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
    for key in newest.values():
        texts[key] = history(key)
    return {"objects": objects, "texts": texts}


try:
    answer = listing()
except botocore.exceptions.ClientError as error:
    answer = {"error": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", "")}
except (botocore.exceptions.BotoCoreError, OSError, subprocess.CalledProcessError) as error:
    answer = {"error": type(error).__name__, "message": str(error)}
packed = base64.b64encode(gzip.compress(json.dumps(answer).encode())).decode()
for at in range(0, len(packed), 4000):
    print(packed[at : at + 4000])
print("end", flush=True)
