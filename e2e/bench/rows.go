package main

import (
	"encoding/json"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// rowScenarios have all that a request passes: a verified token, 20 policies and one limit, by Envoy's own three filters, with
// and without a cache of tokens, by our three, and by the one that has them in it.
func rowScenarios() []scenario {
	few, r := numbered(20), withToken(jose.RS256)
	native := func(v verification) []filter { return []filter{jwtAuthn(v), rbac(few), localRateLimit(1_000_000_000)} }
	perUser := limit("claim", endless, "claim:sub")
	return []scenario{
		{"native-row", native(verification{jose.RS256, false, false}), r, http.StatusOK},
		{"native-row-cached", native(cachedRS256), r, http.StatusOK},
		{"row-cached", []filter{jwtFilter(cachedRS256), authz(few), rateLimit(nobody, perUser)}, r, http.StatusOK},
		palisadeCached("palisade-cached", few),
		palisadeCached("palisade-cached-10000", numbered(10_000)),
		// Envoy's local_ratelimit tells clients nothing either.
		{"palisade-cached-silent", []filter{palisade(few, object{"headers": "none"}, perUser)}, r, http.StatusOK},
	}
}

// palisadeCached is allowed by the last of the policies.
func palisadeCached(name string, services []service) scenario {
	r := withToken(jose.RS256)
	r.Host, r.Path = last(services).Host, last(services).Path
	return scenario{name, []filter{palisade(services, object{}, limit("claim", endless, "claim:sub"))}, r, http.StatusOK}
}

func palisade(services []service, limitFields object, limits ...object) filter {
	return wasm("palisade-filter", func() string { return rowConfig(services, limitFields, limits...) })
}

// rowConfig has further fields of the section ratelimit.
func rowConfig(services []service, limitFields object, limits ...object) string {
	return compact(object{
		"jwt":       json.RawMessage(jwtConfig(cachedRS256)),
		"authz":     json.RawMessage(authzConfig(services)),
		"ratelimit": json.RawMessage(rateLimitConfig(limitFields, nobody, limits...)),
	})
}

func rowComparisons() []comparison {
	return []comparison{
		{"palisade-cached", "native-row-cached"},
		{"palisade-cached", "native-row"},
		{"palisade-cached-silent", "native-row-cached"},
		{"row-cached", "native-row-cached"},
		{"row-cached", "native-row"},
		{"palisade-cached", "row-cached"},
		{"palisade-cached-10000", "palisade-cached"},
	}
}
