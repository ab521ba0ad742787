// Package serviceconfig makes the configuration of Envoy's rate limit service (github.com/envoyproxy/ratelimit) of a
// ratelimit-filter's: what the filter asks, the service has a limit for.
package serviceconfig

import (
	"errors"

	"github.com/goccy/go-yaml"

	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// ErrNone is a configuration that the service has nothing to do with.
var ErrNone = errors.New("no limit has scope: global")

type domain struct {
	Domain      string       `yaml:"domain"`
	Descriptors []descriptor `yaml:"descriptors"`
}

// descriptor is one entry of a descriptor, whose value is any if Value is empty, and what follows it.
type descriptor struct {
	Key         string       `yaml:"key"`
	Value       string       `yaml:"value,omitempty"`
	RateLimit   *rateLimit   `yaml:"rate_limit,omitempty"`
	Descriptors []descriptor `yaml:"descriptors,omitempty"`
}

type rateLimit struct {
	Unit            string `yaml:"unit"`
	RequestsPerUnit int64  `yaml:"requests_per_unit"`
}

// YAML is the service's configuration for the filter's global limits.
func YAML(c *ratelimit.Config) ([]byte, error) {
	if c.Global == nil {
		return nil, ErrNone
	}
	d := domain{Domain: c.Global.Domain}
	for i := range c.Limits {
		if l := &c.Limits[i]; l.Global {
			d.Descriptors = append(d.Descriptors, ofLimit(l))
		}
	}
	if d.Descriptors == nil {
		return nil, ErrNone
	}
	return yaml.Marshal(d)
}

func ofLimit(l *ratelimit.LimitConfig) descriptor {
	top := descriptor{Key: rls.LimitKey, Value: rls.Escape(l.Name)}
	if l.DryRun {
		top.Key = rls.DryRunKey
	}
	if len(l.Key) == 0 {
		top.RateLimit = ofRate(&l.Rate)
		return top
	}
	// From the last part of the key to the first.
	last := len(l.Key) - 1
	key := descriptor{Key: l.Key[last].String(), RateLimit: ofRate(&l.Rate), Descriptors: ofOverrides(l)}
	for i := last - 1; i >= 0; i-- {
		key = descriptor{Key: l.Key[i].String(), Descriptors: []descriptor{key}}
	}
	top.Descriptors = []descriptor{key}
	if l.Missing == ratelimit.MissingShared {
		top.Descriptors = append(top.Descriptors, descriptor{Key: rls.MissingKey, Value: rls.MissingValue, RateLimit: ofRate(&l.Rate)})
	}
	return top
}

func ofOverrides(l *ratelimit.LimitConfig) (list []descriptor) {
	seen := map[string]bool{}
	for i := range l.Overrides {
		o := &l.Overrides[i]
		value := rls.Escape(o.Patterns...)
		if seen[value] { // the first counts
			continue
		}
		seen[value] = true
		if !o.Unlimited { // which the filter does not ask
			list = append(list, descriptor{Key: rls.OverrideKey, Value: value, RateLimit: ofRate(&o.Rate)})
		}
	}
	return list
}

func ofRate(r *ratelimit.Rate) *rateLimit {
	return &rateLimit{Unit: ratelimit.Windows[r.Per], RequestsPerUnit: r.Requests}
}
