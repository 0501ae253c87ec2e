// Command coredns is CoreDNS with the plugins that the embedded cluster's Corefile names, and no other: those for clouds' name services cost more to
// compile than all the rest. CoreDNS documents such a build (coredns.io/2017/07/25/compile-time-enabling-or-disabling-plugins).
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	coremain.Run()
}
