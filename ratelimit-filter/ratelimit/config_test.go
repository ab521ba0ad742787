package ratelimit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/schematest"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
)

func decode(raw []byte) error { _, err := ratelimit.Decode(raw); return err }

func TestSchema(t *testing.T) {
	schematest.Check(t, "../ratelimit-filter.schema.json", decode, "../testdata/*.yaml")
}

func TestMistakes(t *testing.T) {
	const rate = `"rate": {"requests": 10, "per": "1m"}`
	limit := func(members string) string { return `{"limits": [{"name": "a", ` + members + `}]}` }
	for document, want := range map[string]string{
		// What this version does not do is not ignored.
		`{"concurrency": [{"name": "db", "key": ["principal"], "max": 50}]}`: "$.concurrency: not supported by this version",
		`{"global": {"cluster": "ratelimit"}}`:                               "$.global: not supported by this version",
		limit(rate + `, "scope": "global"`):                                  "$.limits[0].scope: not supported by this version",
		limit(rate + `, "costFromResponse": {"header": "x", "max": 1}`):      "$.limits[0].costFromResponse: not supported",

		limit(`"rate": {}`):                                                     "$.limits[0].rate: the object is empty",
		limit(`"rate": {"requests": 10}`):                                       "$.limits[0].rate.per: missing",
		limit(`"rate": {"requests": 0, "per": "1m"}`):                           "$.limits[0].rate.requests: found 0",
		limit(`"rate": {"requests": 1, "per": "1us"}`):                          "$.limits[0].rate.per: found 1us",
		limit(`"rate": {"requests": 1, "per": "8784h", "burst": 75}`):           "takes more than 73 years",
		limit(`"key": ["method"]`):                                              "$.limits[0].rate: missing",
		limit(rate + `, "key": []`):                                             "$.limits[0].key: the list is empty",
		limit(rate + `, "key": ["claim:a..b"]`):                                 `$.limits[0].key[0]: found "claim:a..b", expected claim:a.b`,
		limit(rate + `, "key": ["remoteIP/33"]`):                                "$.limits[0].key[0]: found",
		limit(rate + `, "key": ["remoteIP/08"]`):                                "$.limits[0].key[0]: found",
		limit(rate + `, "key": ["header::path"]`):                               "$.limits[0].key[0]: found",
		limit(rate + `, "key": ["user"]`):                                       "$.limits[0].key[0]: found",
		limit(rate + `, "key": ["method", "cel: "]`):                            "$.limits[0].key[1]: found no expression",
		limit(rate + `, "key": ["cel:` + strings.Repeat("1", 4097) + `"]`):      "$.limits[0].key[0]: found an expression of 4097 bytes",
		limit(rate + `, "match": {}`):                                           "$.limits[0].match: the object is empty",
		limit(rate + `, "onMissingKey": "skip"`):                                "$.limits[0].onMissingKey: only with a key",
		limit(rate + `, "cost": 11`):                                            "none would ever be admitted",
		limit(rate + `, "cost": {"header": "x-cost"}`):                          "$.limits[0].cost: header and max are needed",
		limit(rate + `, "cost": {"header": "x cost", "max": 2}`):                "no header's name",
		limit(rate + `, "key": ["method"], "overrides": [{"key": ["a"]}]`):      "neither a rate nor unlimited",
		limit(rate + `, "key": ["method"], "overrides": [{"unlimited": true}]`): "no key",
		limit(rate + `, "overrides": [{"key": ["a"], "unlimited": true}]`):      "one for each of the key's 0 parts",
		limit(rate + `, "key": ["method"], "cost": 3, "overrides": [{"key": ["a"], "rate": {"requests": 2, "per": "1s"}}]`): "burst of 2",
		limit(rate + `, "key": ["method"], "overrides": [{"key": ["a"], "unlimited": true, ` + rate + `}]`):                 "expected one of them",
		`{"limits": [{"name": "a", ` + rate + `}, {"name": "a", ` + rate + `}]}`:                                            "$.limits[1]: a second limit named",
		`{"maxKeys": 0}`:      "$.maxKeys: found 0",
		`{"headers": "some"}`: "$.headers: found",
	} {
		err := decode([]byte(document))
		require.Error(t, err, document)
		assert.Contains(t, err.Error(), want, document)
	}
}
