package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name, filter, source string
		want                 []string // lines, without the file's name; none: no mistake
	}{
		{"good YAML", "authz-filter", "policies:\n  - {name: a, rules: [{}]}\n", nil},
		{"good JSON", "authz-filter", `{"defaultAction": "deny"}`, nil},
		{"unknown field", "authz-filter", "policies:\n  - name: a\n    rules:\n      - to: [{operation: {path: [/x]}}]\n",
			[]string{`:4:33: $.policies[0].rules[0].to[0].operation.path: unknown field; did you mean "paths"?`}},
		{"every mistake at once", "authz-filter", "mode: on\ndefaultAction: maybe\n",
			[]string{`:1:7: $.mode: found "on", expected one of enforce, dry-run`, `:2:16: $.defaultAction: found "maybe", expected one of deny, allow`}},
		{"what is missing is at its parent", "jwt-filter", "providers:\n  corp:\n    issuer: https://idp.example\n",
			[]string{`$.providers.corp.jwks: missing`}},
		{"every section's mistakes", "palisade-filter", "authz:\n  defaultAction: maybe\nratelimit:\n  limits:\n    - {name: a, rate: {requests: 0, per: 1s}}\n",
			[]string{`:2:18: $.authz.defaultAction: found "maybe"`, `:5:34: $.ratelimit.limits[0].rate.requests: found 0`}},
		{"an unknown section", "palisade-filter", "authz: {}\nwaf: {}\n", []string{`:2:6: $.waf: unknown field; known here: jwt, authz, ratelimit`}},
		{"no section", "palisade-filter", "{}", []string{`:1:1: $: nothing is configured`}},
		{"sections", "palisade-filter", "authz: {}\nratelimit: {}\n", nil},
		{"wrong directive", "waf-filter", "rules:\n  - SecRuleEngine On\n  - |\n    SecNonsense 1\n", []string{":3:5: $.rules[1]: line 1, SecNonsense"}},
		{"not YAML", "authz-filter", "policies: [\n", []string{":1:"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yaml")
			require.NoError(t, os.WriteFile(file, []byte(test.source), 0o600))
			out, err := run(t, "", "check", "-f", test.filter, file)
			if test.want == nil {
				require.NoError(t, err)
				assert.Empty(t, out)
				return
			}
			require.ErrorIs(t, err, errMistakes)
			for _, want := range test.want {
				assert.Contains(t, out, want)
			}
			assert.True(t, strings.HasPrefix(out, file+":"), out)
		})
	}
}

func TestCheckReadsStandardInputAndWritesJSON(t *testing.T) {
	out, err := run(t, "mode: on\n", "check", "-f", "authz-filter", "-o", "json", "-")
	require.ErrorIs(t, err, errMistakes)
	var findings []finding
	require.NoError(t, json.Unmarshal([]byte(out), &findings))
	require.Len(t, findings, 1)
	assert.Equal(t, finding{File: "-", Line: 1, Column: 7, Path: "$.mode", Message: `found "on", expected one of enforce, dry-run`}, findings[0])
}

func TestCheckSaysHowItIsCalled(t *testing.T) {
	for _, args := range [][]string{
		{"check", "-f", "authz-filter"}, {"check", "-f", "no-filter", "-"}, {"check", "-f", "authz-filter", "-o", "xml", "-"}, {"check", "-"},
	} {
		_, err := run(t, "{}", args...)
		require.Error(t, err, args)
		assert.NotErrorIs(t, err, errMistakes, args)
	}
}

func run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.Reader, c.Writer, c.ErrWriter = strings.NewReader(stdin), &out, &out
	err := c.Run(context.Background(), append([]string{"palisade"}, args...))
	return out.String(), err
}
