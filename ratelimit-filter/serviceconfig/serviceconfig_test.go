package serviceconfig_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/ratelimit-filter/serviceconfig"
)

func render(t *testing.T, config string) (string, error) {
	t.Helper()
	c, err := ratelimit.Decode([]byte(config))
	require.NoError(t, err)
	b, err := serviceconfig.YAML(c)
	return string(b), err
}

// That the service takes it, and has a limit for each question, is seen in e2e.
func TestYAML(t *testing.T) {
	got, err := render(t, `{"global": {"cluster": "c", "domain": "mesh"}, "limits": [
		{"name": "per_user", "key": ["claim:sub", "method"], "rate": {"requests": 100, "per": "1m"}, "scope": "global", "overrides": [
			{"key": ["alice", "*"], "rate": {"requests": 1000, "per": "1h"}},
			{"key": ["batch", "*"], "unlimited": true},
			{"key": ["alice", "*"], "rate": {"requests": 1, "per": "1h"}},
			{"key": ["batch", "*"], "rate": {"requests": 1, "per": "1h"}}]},
		{"name": "here", "rate": {"requests": 5, "per": "10s"}},
		{"name": "known", "key": ["header:x"], "onMissingKey": "deny", "rate": {"requests": 2, "per": "24h"}, "scope": "global"},
		{"name": "all", "rate": {"requests": 7, "per": "168h", "burst": 9}, "scope": "global", "mode": "dry-run"}]}`)
	require.NoError(t, err)
	assert.YAMLEq(t, `
domain: mesh
descriptors:
  - key: limit
    value: per%5Fuser
    descriptors:
      - key: claim:sub
        descriptors:
          - key: method
            rate_limit: {unit: minute, requests_per_unit: 100}
            descriptors:
              - {key: override, value: "alice,%2A", rate_limit: {unit: hour, requests_per_unit: 1000}}
      - {key: missing, value: "true", rate_limit: {unit: minute, requests_per_unit: 100}}
  - key: limit
    value: known
    descriptors:
      - {key: "header:x", rate_limit: {unit: day, requests_per_unit: 2}}
  - {key: dry-run, value: all, rate_limit: {unit: week, requests_per_unit: 7}}
`, got)
}

func TestNone(t *testing.T) {
	for _, config := range []string{
		`{}`, `{"global": {"cluster": "c"}}`, `{"global": {"cluster": "c"}, "limits": [{"name": "a", "rate": {"requests": 1, "per": "1s"}}]}`,
	} {
		_, err := render(t, config)
		assert.ErrorIs(t, err, serviceconfig.ErrNone)
	}
}
