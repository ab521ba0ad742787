package waf_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// The cases that the module runs in Envoy, against the core alone.
func TestCases(t *testing.T) {
	for _, file := range casetest.LoadAll(t, "../testdata/*.yaml") {
		for _, c := range file.Cases {
			t.Run(c.Name, func(t *testing.T) {
				f := compile(t, string(c.ConfigJSON(t)))
				headers := [][2]string{{":method", c.Request.Method}, {":path", c.Request.Path}, {":authority", c.Request.Host}, {":scheme", "https"}}
				for _, h := range c.Request.Headers {
					for name, value := range h {
						headers = append(headers, [2]string{name, value})
					}
				}
				var tx waf.Transaction
				step := f.Begin(&tx, &waf.Connection{ClientIP: "127.0.0.1"}, headers, true)
				d := tx.Decision()
				tx.End()
				tx.Close()
				assert.Equal(t, c.Expect.Effect, d.Effect, d)
				assert.Equal(t, d.Effect == decision.Deny, step == waf.Block)
				if c.Expect.Status != 0 {
					assert.EqualValues(t, c.Expect.Status, d.Status)
				}
				if c.Expect.Policy != "" {
					assert.Equal(t, c.Expect.Policy, d.Policy)
				}
				if c.Expect.Rule != "" {
					assert.Equal(t, c.Expect.Rule, d.Rule)
				}
				assert.Contains(t, d.Reason, c.Expect.Reason)
			})
		}
	}
}
