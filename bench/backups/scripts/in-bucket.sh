# in-bucket.sh PROGRAM FOLDER [ARGUMENT...]: a program in Python with what lies below a folder of the backups, as recovery/list-bucket.py is one. In the sidecar.
# shellcheck shell=bash
read_keys
ENDPOINT_URL=$ENDPOINT DESTINATION=${DESTINATION%/}/$2 python3 -c "$1" "${@:3}"
