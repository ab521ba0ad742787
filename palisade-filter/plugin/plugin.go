// Package plugin is palisade-filter's shell: the filters that it runs are those of the other modules, one after the other.
package plugin

import (
	authz "github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/chain"
	"github.com/palisade-mesh/palisade/filters/host"
	jwt "github.com/palisade-mesh/palisade/jwt-filter/plugin"
	"github.com/palisade-mesh/palisade/palisade-filter/palisade"
	ratelimit "github.com/palisade-mesh/palisade/ratelimit-filter/plugin"
)

// Filter is palisade-filter.
var Filter = host.Filter{Name: "palisade-filter", Configure: host.Configured(palisade.Decode, start)}

func start(h host.Host, c *palisade.Config) (host.Handler, error) {
	var filters []chain.Start
	filters = add(filters, jwt.New, c.JWT)
	filters = add(filters, authz.New, c.Authz)
	filters = add(filters, ratelimit.New, c.RateLimit)
	return chain.New(h, filters...)
}

// add adds a filter that is configured.
func add[C any](to []chain.Start, start func(host.Host, *C) (host.Handler, error), c *C) []chain.Start {
	if c == nil {
		return to
	}
	return append(to, func(h host.Host) (host.Handler, error) { return start(h, c) })
}
