//go:build tools

// Package tools pins the programs of this group; it is never built itself.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
