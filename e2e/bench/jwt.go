package main

import (
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// cacheEntries is how many verified tokens a filter with a cache keeps: jwt-filter's default.
const cacheEntries = 1000

// distinctTokens is many times that, so that no token is still in the cache when it comes again.
const distinctTokens = 20_000

// verification is what jwt-filter and jwt_authn are both told. Both take the token out of the request and hand its
// claims to later filters, scope as a list: as filter state and as dynamic metadata.
type verification struct {
	algorithm jose.SignatureAlgorithm
	cached    bool
	headers   bool // two claims become headers
}

var cachedRS256 = verification{jose.RS256, true, false}

// claimHeaders are those headers and their claims.
var claimHeaders = [][2]string{{"x-user", "sub"}, {"x-dept", "org.dept"}}

// jwtScenarios has each verification by jwt-filter and by jwt_authn.
func jwtScenarios() []scenario {
	scenarios := []scenario{{baselineToken, nil, withToken(jose.RS256), http.StatusOK}}
	for _, v := range []struct {
		name string
		verification
	}{
		{"cached", cachedRS256},
		{"cached-headers", verification{jose.RS256, true, true}},
		{"rs256", verification{jose.RS256, false, false}},
		{"es256", verification{jose.ES256, false, false}},
		{"ps256", verification{jose.PS256, false, false}},
		{"eddsa", verification{jose.EdDSA, false, false}},
	} {
		scenarios = append(scenarios,
			scenario{"jwt_authn-" + v.name, []filter{jwtAuthn(v.verification)}, withToken(v.algorithm), http.StatusOK},
			scenario{"jwt-" + v.name, []filter{jwtFilter(v.verification)}, withToken(v.algorithm), http.StatusOK})
	}
	distinct := verification{jose.HS256, true, false}
	return append(scenarios,
		scenario{"jwt_authn-distinct", []filter{jwtAuthn(distinct)}, withTokens(), http.StatusOK},
		scenario{"jwt-distinct", []filter{jwtFilter(distinct)}, withTokens(), http.StatusOK})
}

func jwtComparisons() []comparison {
	var comparisons []comparison
	for _, name := range []string{"cached", "cached-headers", "rs256", "es256", "ps256", "eddsa", "distinct"} {
		comparisons = append(comparisons, comparison{"jwt-" + name, "jwt_authn-" + name})
	}
	return comparisons
}

func withToken(alg jose.SignatureAlgorithm) request {
	r := last(numbered(20))
	r.Headers = bearer(issuerOf(alg).token(0))
	return r
}

// withTokens is a request with another token each time.
func withTokens() request {
	r := withToken(jose.HS256)
	r.Tokens = func() []string {
		tokens := make([]string, distinctTokens)
		for i := range tokens {
			tokens[i] = issuerOf(jose.HS256).token(i + 1)
		}
		return tokens
	}
	return r
}

func jwtFilter(v verification) filter {
	return wasm("jwt-filter", func() string { return jwtConfig(v) })
}

func jwtConfig(v verification) string {
	provider := object{
		"issuer": issuer, "audiences": list{audience}, "algorithms": list{v.algorithm}, "jwks": issuerOf(v.algorithm).jwks(),
		"spaceDelimitedClaims": list{"scope"},
	}
	if v.headers {
		var outputs list
		for _, h := range claimHeaders {
			outputs = append(outputs, object{"header": h[0], "claim": h[1]})
		}
		provider["outputClaimToHeaders"] = outputs
	}
	entries := 0
	if v.cached {
		entries = cacheEntries
	}
	return compact(object{"providers": object{"corp": provider}, "cache": object{"entries": entries}})
}

func jwtAuthn(v verification) filter {
	return native("jwt_authn", "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
		func() object { return jwtAuthnConfig(v) })
}

func jwtAuthnConfig(v verification) object {
	provider := object{
		"issuer": issuer, "audiences": list{audience}, "require_expiration": true,
		"local_jwks":          object{"inline_string": string(issuerOf(v.algorithm).jwks())},
		"payload_in_metadata": "corp", "normalize_payload_in_metadata": object{"space_delimited_claims": list{"scope"}},
	}
	if v.headers {
		var outputs list
		for _, h := range claimHeaders {
			outputs = append(outputs, object{"header_name": h[0], "claim_name": h[1]})
		}
		provider["claim_to_headers"] = outputs
	}
	if v.cached {
		provider["jwt_cache_config"] = object{"jwt_cache_size": cacheEntries}
	}
	return object{
		"providers": object{"corp": provider},
		"rules":     list{object{"match": object{"prefix": "/"}, "requires": object{"provider_name": "corp"}}},
	}
}
