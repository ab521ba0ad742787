package main

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// scenario is one row of the table: the filters in Envoy, what is asked and what must be answered. Scenarios with
// the same filters share an Envoy.
type scenario struct {
	name    string
	filters []filter
	request request
	status  int
}

// request is a GET that is sent over and over.
type request struct {
	Host    string
	Path    string
	Headers map[string]string
	// Tokens are bearer tokens that take turns, in place of the one in Headers.
	Tokens func() []string
	// Claims is what has published claims of the request before the scenario's filters see it.
	Claims publisher
	// Before is how many requests use something up before the first one that counts.
	Before int
}

// The scenarios without filters, whose CPU time is subtracted from that of the others. The first always runs; to it, a
// request with a token is one more header to read, and one with claims one more filter, which is not what a filter adds.
const (
	baseline              = "none"
	baselineToken         = "none-token"
	baselineClaims        = "none-claims"
	baselineClaimsFromJWT = "none-claims-jwt"
)

// base is what a scenario is compared with: the same request without filters.
func (s scenario) base() string {
	switch {
	case s.request.Claims == claimsOfJWTAuthn:
		return baselineClaims
	case s.request.Claims == claimsOfJWTFilter:
		return baselineClaimsFromJWT
	case s.request.Headers != nil:
		return baselineToken
	}
	return baseline
}

// chain is what a request passes in Envoy.
func (s scenario) chain() []filter {
	if s.request.Claims == nobody {
		return s.filters
	}
	return append([]filter{s.request.Claims.filter()}, s.filters...)
}

// scenarios is what is measured: one row for each. A module is named as its file in the build folder.
func scenarios() []scenario {
	few, many, crossed := numbered(20), numbered(10_000), cross(100, 100)
	return slices.Concat([]scenario{
		{baseline, nil, last(few), http.StatusOK},
		{"empty", []filter{empty("bench/empty")}, last(few), http.StatusOK},
		{"empty-stripped", []filter{empty("bench/empty-stripped")}, last(few), http.StatusOK},
		{"rbac-20", []filter{rbac(few)}, last(few), http.StatusOK},
		{"authz-20", []filter{authz(few)}, last(few), http.StatusOK},
		{"rbac-10000", []filter{rbac(many)}, last(many), http.StatusOK},
		{"authz-10000", []filter{authz(many)}, last(many), http.StatusOK},
		{"rbac-10000-denied", []filter{rbac(many)}, denied(many), http.StatusForbidden},
		{"authz-10000-denied", []filter{authz(many)}, denied(many), http.StatusForbidden},
		{"authz-10000-cross", []filter{authz(crossed)}, last(crossed), http.StatusOK},
	}, jwtScenarios(), limitScenarios(), rowScenarios())
}

// callScenarios are for instructions only: each call is too cheap for a clock. Those of requests with a token, because the
// headers of a request are one of the calls.
func callScenarios() []scenario {
	call := func(name, calls string) scenario {
		filters := []filter{wasm("bench/calls", func() string { return calls })}
		return scenario{"call-" + name, filters, withToken(jose.RS256), http.StatusOK}
	}
	scenarios := []scenario{call("none", "")}
	for _, name := range []string{"now", "headers", "count", "remove", "set", "claims", "record", "peer", "address", "get", "put"} {
		scenarios = append(scenarios, call(name, name))
	}
	// All that palisade-filter makes for a request of rowScenarios, but for what it does to the response.
	scenarios = append(scenarios, call("row", "now headers count remove claims peer address record count record count get put record count"))
	metadata := call("metadata", "metadata")
	metadata.request = withClaims(claimsOfJWTAuthn)
	return append(scenarios, metadata)
}

// comparison is two scenarios whose added CPU time is divided, one by the other.
type comparison struct {
	of, by string
}

func comparisons() []comparison {
	return slices.Concat([]comparison{
		{"empty-stripped", "empty"},
		{"authz-20", "empty"},
		{"authz-10000", "authz-20"},
		{"authz-10000-cross", "authz-20"},
		{"authz-20", "rbac-20"},
		{"authz-10000", "rbac-10000"},
		{"authz-10000-denied", "rbac-10000-denied"},
	}, jwtComparisons(), limitComparisons(), rowComparisons())
}

// startups is what is started, with how many policies, to see what a configuration costs before the first request.
func startups() []scenario {
	few, many, most := numbered(20), numbered(10_000), numbered(100_000)
	return []scenario{
		{baseline, nil, last(few), http.StatusOK},
		{"empty", []filter{empty("bench/empty")}, last(few), http.StatusOK},
		{"authz-20", []filter{authz(few)}, last(few), http.StatusOK},
		{"jwt-cached", []filter{jwtFilter(cachedRS256)}, withToken(jose.RS256), http.StatusOK},
		{"ratelimit-one", []filter{rateLimit(nobody, limit("one", endless))}, last(few), http.StatusOK},
		palisadeCached("palisade-cached", few),
		{"rbac-10000", []filter{rbac(many)}, last(many), http.StatusOK},
		{"authz-10000", []filter{authz(many)}, last(many), http.StatusOK},
		{"rbac-100000", []filter{rbac(most)}, last(most), http.StatusOK},
		{"authz-100000", []filter{authz(most)}, last(most), http.StatusOK},
	}
}

// usual are the scenarios, starts and updates that are measured if no others are asked for: what is said of the filters first, and
// what that is compared with.
var usual = []string{
	"empty", "rbac-20", "authz-20", "rbac-10000", "authz-10000",
	"jwt_authn-cached", "jwt-cached", "jwt_authn-rs256", "jwt-rs256",
	"empty-claims", "local_ratelimit", "ratelimit-one", "ratelimit-claim",
	"native-row", "native-row-cached", "row-cached", "palisade-cached", "palisade-cached-10000",
	"rbac-1000", "authz-1000", "palisade-1000",
}

// expressionOf finds just these names.
func expressionOf(names []string) string { return "^(" + strings.Join(names, "|") + ")$" }
