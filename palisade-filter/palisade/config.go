// Package palisade is the configuration of palisade-filter: those of the filters that it runs.
package palisade

import (
	"github.com/palisade-mesh/palisade/authz-filter/authz"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
)

// Config is the configuration of each filter, nil of one that does not run. They run in this order.
type Config struct {
	JWT       *jwt.Config
	Authz     *authz.Config
	RateLimit *ratelimit.Config
}

// Decode reads a configuration. The error is config.Mistakes.
func Decode(raw []byte) (*Config, error) { return config.Decode(raw, decode) }

func decode(n config.Node) *Config {
	o := n.Object("jwt", "authz", "ratelimit")
	if o.Len() == 0 && n.Mistakes() == 0 {
		n.Mistake("nothing is configured, so that every request would pass; at least one of jwt, authz, ratelimit is needed")
	}
	return &Config{
		JWT:       section(o.Get("jwt"), jwt.DecodeNode),
		Authz:     section(o.Get("authz"), authz.DecodeNode),
		RateLimit: section(o.Get("ratelimit"), ratelimit.DecodeNode),
	}
}

func section[C any](n config.Node, decode func(config.Node) *C) *C {
	if !n.Present() {
		return nil
	}
	return decode(n)
}
