package waf_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/benign"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

func loadBenign(t testing.TB) []exchange {
	list, err := benign.Load()
	require.NoError(t, err)
	var out []exchange
	for i := range list {
		r := &list[i]
		out = append(out, exchange{method: r.Method, target: r.Path, headers: r.Header(), body: r.Body})
	}
	return out
}

func TestBenignRequests(t *testing.T) {
	f := compile(t, `{"profile": "crs-pl1"}`)
	list := loadBenign(t)
	assert.GreaterOrEqual(t, len(list), 100)
	for i := range list {
		e := &list[i]
		tx := e.through(t, f, 50)
		assert.Zero(t, tx.Blocked(), "%s %s: %s", e.method, e.target, tx.Decision().Reason)
		tx.Hits(func(h waf.Hit) bool {
			assert.Fail(t, "a rule matches", "%s %s: %d %s", e.method, e.target, h.Rule, h.Message)
			return true
		})
	}
}
