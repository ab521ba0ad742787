package waf_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// benign is a request that nobody means any harm with.
type benign struct {
	Method  string            `yaml:"method"`
	Path    string            `yaml:"path"`
	Headers map[string]string `yaml:"headers"`
	Type    string            `yaml:"type"`
	Body    string            `yaml:"body"`
	JSON    string            `yaml:"json"`
	Form    string            `yaml:"form"`
}

func (b *benign) exchange() exchange {
	e := exchange{method: b.Method, target: b.Path, headers: with(), body: b.Body}
	switch {
	case b.JSON != "":
		b.Type, e.body = "application/json", b.JSON
	case b.Form != "":
		b.Type, e.body = "application/x-www-form-urlencoded", b.Form
	}
	if b.Type != "" {
		e.headers = append(e.headers, [2]string{"content-type", b.Type}, [2]string{"content-length", strconv.Itoa(len(e.body))})
	}
	for name, value := range b.Headers {
		e.headers = append(e.headers, [2]string{name, value})
	}
	return e
}

func loadBenign(t testing.TB) []exchange {
	text, err := os.ReadFile("testdata/benign.yaml")
	require.NoError(t, err)
	var list []benign
	require.NoError(t, yaml.UnmarshalWithOptions(text, &list, yaml.Strict()))
	var out []exchange
	for i := range list {
		out = append(out, list[i].exchange())
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
