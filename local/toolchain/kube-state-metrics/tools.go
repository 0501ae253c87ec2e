//go:build tools

// Package tools pins the programs of this group; it is never built itself.
package tools

import _ "k8s.io/kube-state-metrics/v2"
