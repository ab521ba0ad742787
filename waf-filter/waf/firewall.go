// Package waf decides whether a request, or the answer to it, carries an attack: OWASP Coraza as the engine, the Core Rule
// Set as the rules. It is pure: it runs natively in tests and tools, and in Wasm unchanged.
//
// Config is what the author wrote; Compile makes a Firewall of it; a Transaction judges one request, part by part.
package waf

import (
	"strings"

	"github.com/palisade-mesh/palisade/filters/match"
)

// Firewall is a compiled configuration. Each worker has its own, and it is not safe for concurrent use; the transactions
// of several streams may be under way in turn.
type Firewall struct {
	config *Config
	sets   []*ruleSet
}

// Config is what the firewall was compiled of.
func (f *Firewall) Config() *Config { return f.config }

// Close frees what the engine keeps of a configuration that is to be replaced. Transactions under way are not disturbed.
func (f *Firewall) Close() {
	for _, s := range f.sets {
		if closer, ok := s.waf.(interface{ Close() error }); ok {
			_ = closer.Close()
		}
		s.screening.close()
	}
}

// find gives the rule set of an authority in normal form, nil if there is none: one written with this port, else one
// written without, else the default.
func (f *Firewall) find(host string) *ruleSet {
	i, ok := f.config.Authorities[host]
	if !ok {
		i, ok = f.config.Authorities[withoutPort(host)]
	}
	if !ok {
		i = f.config.Default
	}
	if i < 0 {
		return nil
	}
	return f.sets[i]
}

// withoutPort is an authority in normal form without its port. A name may have another dot at its end then:
// "a.example.:80" is "a.example".
func withoutPort(host string) string {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host[i:], ']') >= 0 || strings.IndexByte(host[:i], ':') >= 0 && !strings.HasSuffix(host[:i], "]") {
		return host
	}
	return match.NormalHost(host[:i])
}
