package main

import (
	"fmt"
	"net/http"
)

// publisher stands for what has verified a token: the claims are there, at next to no cost, and in all scenarios that are
// compared.
type publisher uint8

const (
	nobody publisher = iota
	// claimsOfJWTAuthn are dynamic metadata, which Envoy's set_metadata leaves where jwt_authn does.
	claimsOfJWTAuthn
	// claimsOfJWTFilter are filter state of the kind that only Wasm filters write (CelState): set_filter_state's is another,
	// which Envoy does not give as a property.
	claimsOfJWTFilter
)

func (p publisher) filter() filter {
	if p == claimsOfJWTFilter {
		return wasm("bench/calls", func() string { return "claims" })
	}
	return native("set_metadata", "envoy.extensions.filters.http.set_metadata.v3.Config", func() object {
		return object{"metadata": list{object{
			"metadata_namespace": "envoy.filters.http.jwt_authn",
			"value": object{"corp": object{
				"iss": issuer, "aud": audience, "sub": "2f1c3d4e-0000-4000-8000-000000000001", "azp": "frontend",
				"iat": 1795600000, "exp": 1795686400, "jti": "8a0c7f52-0000-4000-8000-000000000000",
				"scope": list{"openid", "profile", "read", "write"}, "email": "alice@example.org", "org": object{"dept": "sales"},
				"acr": "urn:mace:incommon:iap:silver",
			}},
		}}}
	})
}

// A rate that nobody uses up, one that one request uses up, and one that lets keys stay in use for longer than a run: a
// bucket that is full again takes no memory.
var (
	endless = object{"requests": 1_000_000_000, "per": "1m"}
	single  = object{"requests": 1, "per": "8000h"}
	slow    = object{"requests": 100_000, "per": "8000h"}
)

const (
	// limitedKeys is maxKeys, its default.
	limitedKeys = 65536
	// distinctKeys is some times that: many of them have lost their bucket when they come again.
	distinctKeys = 200_000
)

// limitScenarios has ratelimit-filter beside Envoy's local_ratelimit, which has one bucket for all.
func limitScenarios() []scenario {
	r := withClaims(claimsOfJWTAuthn)
	refused := r
	refused.Before = 1
	fromJWT := withClaims(claimsOfJWTFilter)
	byClaim := limit("claim", endless, "claim:sub")
	return []scenario{
		{baselineClaims, nil, r, http.StatusOK},
		{"empty-claims", []filter{empty("bench/empty")}, r, http.StatusOK},
		{"local_ratelimit", []filter{localRateLimit(1_000_000_000)}, r, http.StatusOK},
		{"ratelimit-one", []filter{rateLimit(claimsOfJWTAuthn, limit("one", endless))}, r, http.StatusOK},
		{"ratelimit-claim", []filter{rateLimit(claimsOfJWTAuthn, byClaim)}, r, http.StatusOK},
		{"ratelimit-claim-silent", []filter{rateLimitWith(object{"headers": "none"}, claimsOfJWTAuthn, byClaim)}, r, http.StatusOK},
		{"ratelimit-header", []filter{rateLimit(claimsOfJWTAuthn, limit("header", endless, "header:authorization"))}, r, http.StatusOK},
		{"ratelimit-three", []filter{rateLimit(claimsOfJWTAuthn,
			byClaim, limit("header", endless, "header:authorization"), limit("one", endless))}, r, http.StatusOK},
		{"ratelimit-distinct", []filter{rateLimit(claimsOfJWTAuthn, limit("header", slow, "header:authorization"))},
			withKeys(r), http.StatusOK},
		{"local_ratelimit-refused", []filter{localRateLimit(1)}, refused, http.StatusTooManyRequests},
		{"ratelimit-refused", []filter{rateLimit(claimsOfJWTAuthn, limit("claim", single, "claim:sub"))}, refused,
			http.StatusTooManyRequests},
		{baselineClaimsFromJWT, nil, fromJWT, http.StatusOK},
		{"ratelimit-claim-jwt", []filter{rateLimit(claimsOfJWTFilter, byClaim)}, fromJWT, http.StatusOK},
	}
}

func limitComparisons() []comparison {
	return []comparison{
		{"ratelimit-one", "empty-claims"},
		{"ratelimit-claim", "empty-claims"},
		{"ratelimit-claim-silent", "empty-claims"},
		{"ratelimit-claim-jwt", "empty-claims"},
		{"ratelimit-one", "local_ratelimit"},
		{"ratelimit-header", "ratelimit-claim"},
		{"ratelimit-distinct", "ratelimit-header"},
		{"ratelimit-three", "ratelimit-claim"},
		{"ratelimit-refused", "local_ratelimit-refused"},
	}
}

// withClaims is a request of a user with a short token, such as an API key.
func withClaims(p publisher) request {
	r := last(numbered(20))
	r.Claims, r.Headers = p, bearer(apiKey(0))
	return r
}

// withKeys is the same with another token each time.
func withKeys(r request) request {
	r.Tokens = func() []string {
		keys := make([]string, distinctKeys)
		for i := range keys {
			keys[i] = apiKey(i + 1)
		}
		return keys
	}
	return r
}

func apiKey(number int) string { return fmt.Sprintf("key-%08d", number) }

func limit(name string, rate object, key ...string) object {
	l := object{"name": name, "rate": rate}
	if len(key) > 0 {
		// Who lacks a key is refused, so that none of these measures something else.
		l["key"], l["onMissingKey"] = key, "deny"
	}
	return l
}

func rateLimit(claims publisher, limits ...object) filter {
	return rateLimitWith(object{}, claims, limits...)
}

// rateLimitWith has further fields of the configuration.
func rateLimitWith(fields object, claims publisher, limits ...object) filter {
	return wasm("ratelimit-filter", func() string { return rateLimitConfig(fields, claims, limits...) })
}

func rateLimitConfig(fields object, claims publisher, limits ...object) string {
	config := object{"limits": limits, "maxKeys": limitedKeys}
	if claims == claimsOfJWTAuthn {
		config["claims"] = object{"source": "jwt_authn", "metadataKey": "corp"}
	}
	for name, value := range fields {
		config[name] = value
	}
	return compact(config)
}

// localRateLimit is Envoy's own filter with one bucket of so many tokens, which flow back in a minute as in endless, or,
// as in single, so slowly that one is not seen to.
func localRateLimit(tokens int) filter {
	return native("local_ratelimit", "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", func() object {
		interval := "60s"
		if tokens == 1 {
			interval = "28800000s"
		}
		always := object{"default_value": object{"numerator": 100, "denominator": "HUNDRED"}}
		return object{
			"stat_prefix":    "bench",
			"token_bucket":   object{"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": interval},
			"filter_enabled": always, "filter_enforced": always,
		}
	})
}
