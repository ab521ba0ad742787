// Package inrow makes up configurations and requests for the comparison of palisade-filter with the filters that it runs,
// in a row.
package inrow

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Random makes things up; the same seed makes the same.
type Random struct{ *rand.Rand }

// NewRandom starts with a seed.
func NewRandom(seed uint64) Random { return Random{rand.New(rand.NewPCG(seed, 2))} }

// Sections are the configuration of palisade-filter: by section, that of each filter.
type Sections map[string]object

type object = map[string]any

// Names of the sections, in the order in which a request passes them.
var Names = []string{"jwt", "authz", "ratelimit"}

// chance is one in n.
func (r Random) chance(n int) bool { return r.IntN(n) == 0 }

func of[T any](r Random, list ...T) T { return list[r.IntN(len(list))] }

// some are one to three of a list, each once.
func (r Random) some(list []string) []string {
	out := []string{}
	for _, i := range r.Perm(len(list))[:1+r.IntN(min(3, len(list)))] {
		out = append(out, list[i])
	}
	return out
}

// Sections makes up a configuration. keys is the JWK Set of its providers.
func (r Random) Sections(keys string) Sections {
	s := Sections{"jwt": r.jwt(keys), "authz": r.authz(), "ratelimit": r.ratelimit()}
	if r.chance(6) {
		delete(s, of(r, Names...))
	}
	return s
}

// common is what all filters have.
func (r Random) common() object {
	c := object{"audit": object{"log": of(r, "all", "denied", "off")}}
	if r.chance(6) {
		c["mode"] = "dry-run"
	}
	if r.chance(2) {
		c["response"] = object{"format": of(r, "problem", "text", "none"), "explain": r.chance(2)}
	}
	if r.chance(3) {
		c["pathNormalization"] = of(r, "none", "base", "merge-slashes", "decode-and-merge-slashes")
	}
	return c
}

// Issuers of the providers.
const (
	Corp   = "https://idp.example"
	Device = "https://devices.example"
)

func (r Random) jwt(keys string) object {
	c := r.common()
	provider := func(issuer string) object {
		p := object{"issuer": issuer, "spaceDelimitedClaims": []string{"scope"}, "forwardOriginalToken": r.chance(3), "jwks": json.RawMessage(keys)}
		if r.chance(4) {
			p["certificateBound"] = of(r, "off", "off", "required")
		}
		if r.chance(4) {
			p["requiredClaims"] = []object{{"claim": "scope", "values": []string{"read*", "admin"}}}
		}
		return p
	}
	corp := provider(Corp)
	outputs := []object{}
	if !r.chance(3) {
		outputs = append(outputs, object{"header": "x-user", "claim": "sub"})
	}
	if r.chance(2) {
		outputs = append(outputs, object{"header": "x-scope", "claim": "scope"})
	}
	if r.chance(8) {
		// What a client puts beside a token must not stay there.
		outputs = append(outputs, object{"header": "authorization", "claim": "sub"})
	}
	corp["outputClaimToHeaders"] = outputs
	if r.chance(4) {
		corp["outputPayloadToHeader"] = "x-payload"
	}
	if r.chance(2) {
		corp["fromHeaders"] = []object{{"name": "authorization", "prefix": "Bearer "}, {"name": "x-token"}}
		corp["fromParams"] = []string{"access_token"}
		corp["fromCookies"] = []string{"session"}
	}
	providers := object{"corp": corp}
	requirements := []object{{"provider": "corp"}, {"optional": object{"provider": "corp"}}, {"permissive": object{"provider": "corp"}}}
	if r.chance(2) {
		device := provider(Device)
		device["fromHeaders"] = []object{{"name": "x-device"}}
		providers["device"] = device
		both := []object{{"provider": "corp"}, {"provider": "device"}}
		requirements = append(requirements, object{"all": both}, object{"any": both})
	}
	c["providers"] = providers
	c["rules"] = []object{
		{"match": object{"paths": r.some([]string{"/public/*", "/records/{*}", "/"})}, "require": of(r, append(requirements, object{"none": true})...)},
		{"require": of(r, requirements...)},
	}
	if r.chance(5) {
		c["cache"] = object{"entries": of(r, 0, 1, 2)}
	}
	return c
}

func (r Random) authz() object {
	c := r.common()
	if r.chance(3) {
		c["defaultAction"] = "allow"
	}
	if r.chance(5) {
		c["trustDomains"] = []string{"example.org"}
	}
	policies := []object{}
	for i := range 1 + r.IntN(4) {
		action := of(r, "ALLOW", "ALLOW", "ALLOW", "DENY", "AUDIT")
		p := object{"name": fmt.Sprintf("%s-%d", strings.ToLower(action), i), "action": action, "dryRun": r.chance(8)}
		rules := []object{}
		for range 1 + r.IntN(3) {
			rules = append(rules, r.rule(action == "DENY"))
		}
		p["rules"] = rules
		policies = append(policies, p)
	}
	c["policies"] = policies
	return c
}

func (r Random) rule(narrow bool) object {
	rule := object{}
	if r.chance(3) {
		field := of(r, "principals", "notPrincipals")
		rule["from"] = []object{{"source": object{field: r.some([]string{"example.org/ns/shop/sa/backend", "example.org/ns/shop/*", "*"})}}}
		if r.chance(3) {
			rule["from"] = []object{{"source": object{"requestPrincipals": r.some([]string{Corp + "/alice", Corp + "/*", "*"})}}}
		}
	}
	if r.chance(2) {
		operation := object{of(r, "methods", "notMethods"): r.some(Methods)}
		if r.chance(2) {
			operation[of(r, "paths", "notPaths")] = r.some([]string{"/public/*", "/records/{*}", "/records/{**}", "/", "*.json"})
		}
		rule["to"] = []object{{"operation": operation}}
	}
	if narrow || r.chance(2) {
		when := []object{}
		for range 1 + r.IntN(2) {
			when = append(when, r.condition())
		}
		rule["when"] = when
	}
	return rule
}

// condition is about what jwt-filter changes, more often than not.
func (r Random) condition() object {
	key, values := "", []string{"*"}
	switch r.IntN(9) {
	case 0:
		return object{"cel": of(r,
			"'x-user' in request.headers && request.headers['x-user'] == 'alice'",
			"'authorization' in request.headers",
			"request.path.contains('access_token')",
			"request.headers['x-scope'].contains('read')",
		)}
	case 1:
		key, values = "request.headers[x-user]", r.some([]string{"alice", "bob", "mallory", "*"})
	case 2:
		key, values = "request.headers[authorization]", r.some([]string{"Bearer *", "Basic *", "alice", "*"})
	case 3:
		key = of(r, "request.query[access_token]", "request.headers[cookie]", "request.headers[x-token]", "request.headers[x-payload]")
	case 4:
		key, values = "request.auth.claims[scope]", r.some([]string{"read", "write", "admin"})
	case 5:
		key, values = "request.auth.principal", r.some([]string{Corp + "/alice", Device + "/*", "*"})
	case 6:
		key, values = "request.auth.claims[sub]", r.some([]string{"alice", "phone", "*"})
	case 7:
		key, values = "source.principal", r.some([]string{"example.org/ns/shop/sa/backend", "*"})
	case 8:
		key, values = "request.query[q]", r.some([]string{"1", "2"})
	}
	return object{"key": key, of(r, "values", "values", "notValues"): values}
}

func (r Random) ratelimit() object {
	c := r.common()
	c["headers"] = of(r, "ratelimit", "x-ratelimit", "both", "none")
	limits := []object{}
	for i := range 1 + r.IntN(3) {
		// Nothing flows back while the test runs, however slow a machine is.
		l := object{"name": fmt.Sprint("limit-", i), "rate": object{"requests": 1 + r.IntN(12), "per": "2400h"}}
		if !r.chance(4) {
			l["onMissingKey"] = of(r, "shared", "skip", "deny")
			l["key"] = r.some([]string{
				"claim:sub", "claim:scope", "method", "path", "header:x-user", "header:authorization", "query:q", "query:access_token", "principal",
				"requestPrincipal", "remoteIP", "cel:request.method + request.path", "host",
			})
		}
		if r.chance(3) {
			l["match"] = object{"paths": r.some([]string{"/public/*", "/records/{*}", "/"})}
		}
		if r.chance(5) {
			l["mode"] = "dry-run"
		}
		if r.chance(5) {
			l["cost"] = object{"header": "x-scope", "max": 3}
		}
		limits = append(limits, l)
	}
	c["limits"] = limits
	if r.chance(3) {
		c["concurrency"] = []object{{"name": "flights", "key": []string{"claim:sub"}, "max": 1000, "onMissingKey": of(r, "shared", "deny")}}
	}
	return c
}
