// The filter that makes those calls of the host that its configuration names, and nothing else: what each one costs, which
// every filter that makes it pays.
package main

import (
	"errors"
	"strings"

	"github.com/palisade-mesh/palisade/filters/attribute"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/filters/sdk"
)

func main() {}

func init() { sdk.Run(host.Filter{Name: "calls", Configure: configure}) }

// claims of a user's token, as jwt-filter publishes them.
var claims = []byte(`{"corp":{"iss":"https://idp.example","aud":"records","sub":"2f1c3d4e-0000-4000-8000-000000000001",` +
	`"azp":"frontend","iat":1795600000,"exp":1795686400,"jti":"8a0c7f52-0000-4000-8000-000000000000",` +
	`"scope":["openid","profile","read","write"],"email":"alice@example.org","org":{"dept":"sales"},` +
	`"acr":"urn:mace:incommon:iap:silver"}}`)

// slot is as long as one of ratelimit-filter's with eight buckets.
var slot = make([]byte, 192)

const sharedKey = "palisade.ratelimit.slot.calls.8192.2xa"

func configure(h host.Host) (host.Handler, error) {
	text, err := h.Configuration()
	if err != nil {
		return nil, err
	}
	c := &calls{
		// As long as that of a usual request.
		claims: claims, record: []byte(strings.Repeat("r", 300)),
	}
	if err := h.SetSharedData(sharedKey, slot, 0); err != nil {
		return nil, err
	}
	if c.counter, err = h.DefineMetric(host.Counter, "calls"); err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(string(text)) {
		call := c.named(name)
		if call == nil {
			return nil, errors.New("no call is named " + name)
		}
		c.calls = append(c.calls, call)
	}
	return c, nil
}

type calls struct {
	calls          []func(host.Host)
	claims, record []byte
	counter        uint32
}

func (c *calls) named(name string) func(host.Host) {
	switch name {
	case "now":
		return func(h host.Host) { h.Now() }
	case "headers":
		return func(h host.Host) { _, _ = h.RequestHeaders() }
	case "count":
		return func(h host.Host) { _ = h.AddMetric(c.counter, 1) }
	case "remove":
		return func(h host.Host) { _ = h.RemoveRequestHeader("authorization") }
	case "set":
		return func(h host.Host) { _ = h.SetRequestHeader("x-user", "2f1c3d4e-0000-4000-8000-000000000001") }
	case "claims":
		return func(h host.Host) { _ = h.SetProperty("palisade.jwt", c.claims) }
	case "record":
		return func(h host.Host) { _ = h.SetProperty("palisade.jwt.decision", c.record) }
	case "peer": // absent without TLS
		return func(h host.Host) { _, _, _ = h.Property(request.PropertyPeerURISAN) }
	case "metadata":
		return func(h host.Host) { _, _, _ = h.Property(attribute.Property) }
	case "get":
		return func(h host.Host) { _, _, _, _ = h.SharedData(sharedKey) }
	case "put": // without a comparison, which is next to nothing of it
		return func(h host.Host) { _ = h.SetSharedData(sharedKey, slot, 0) }
	case "address":
		return func(h host.Host) { _, _, _ = h.Property(request.PropertySourceAddress) }
	}
	return nil
}

// RequestHeaders implements host.Handler.
func (c *calls) RequestHeaders(h host.Host) host.Action {
	for _, call := range c.calls {
		call(h)
	}
	return host.Continue
}
