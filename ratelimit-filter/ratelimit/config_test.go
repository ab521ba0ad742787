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
	global := func(global, per string) string {
		return `{"global": ` + global + `, "limits": [{"name": "a", "scope": "global", "rate": {"requests": 1, "per": "` + per + `"}}]}`
	}
	concurrent := func(members string) string { return `{"concurrency": [{"name": "a", ` + members + `}]}` }
	for document, want := range map[string]string{
		limit(rate + `, "scope": "global"`):                                                       "$.limits[0].scope: a global limit needs to know who counts",
		limit(rate + `, "scope": "proxy"`):                                                        "$.limits[0].scope: found",
		limit(rate + `, "costFromResponse": {"header": "x"}`):                                     "$.limits[0].costFromResponse: header and max are needed",
		limit(rate + `, "costFromResponse": {"header": "a b", "max": 1}`):                         "$.limits[0].costFromResponse.header: found",
		limit(rate + `, "cost": 0`):                                                               "$.limits[0].cost: found 0",
		global(`{"cluster": "c"}`, "10s"):                                                         "$.limits[0].rate: found a rate per 10s, expected 1s, 1m, 1h, 24h or 168h",
		global(`{"domain": "d"}`, "1m"):                                                           "$.global.cluster: missing",
		global(`{}`, "1m"):                                                                        "$.global: the object is empty",
		global(`{"cluster": "c", "timeout": "1h"}`, "1m"):                                         "$.global.timeout: found",
		global(`{"cluster": "c", "onError": "open"}`, "1m"):                                       "$.global.onError: found",
		concurrent(`"max": 0`):                                                                    "$.concurrency[0].max: found 0",
		concurrent(`"key": ["method"]`):                                                           "$.concurrency[0].max: missing",
		concurrent(`"max": 1, "onMissingKey": "skip"`):                                            "$.concurrency[0].onMissingKey: only with a key",
		concurrent(`"max": 1, "rate": 1`):                                                         "$.concurrency[0].rate: unknown",
		concurrent(`"max": 1, "key": ["method"], "overrides": [{"key": ["GET"]}]`):                "$.concurrency[0].overrides[0]: found neither a max nor unlimited: true",
		concurrent(`"max": 1, "key": ["method"], "overrides": [{"key": ["GET", "a"], "max": 1}]`): "$.concurrency[0].overrides[0].key: found 2 patterns",
		`{"limits": [{"name": "a", ` + rate + `}], "concurrency": [{"name": "a", "max": 1}]}`:     "$.concurrency[0]: a second limit named \"a\"",

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
