#!/usr/bin/env bash
# The comparison alone, for ways that have no script of ours.
# shellcheck source=/dev/null
. /bench/common.sh
at begun
compare
at compared
