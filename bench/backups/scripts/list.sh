# list.sh PROGRAM FOLDER: what lies below a folder of the backups, as recovery/list-bucket.py tells it. In the sidecar.
# shellcheck shell=bash
read_keys
ENDPOINT_URL=$ENDPOINT DESTINATION=${DESTINATION%/}/$2 python3 -c "$1"
