package wafpeer

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The peer is told what a profile stands for, which waf-filter's own words say.
func TestProfileIsWhatTheREADMESays(t *testing.T) {
	text, err := os.ReadFile("../../waf-filter/README.md")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "stand for\n\n```\n")
	require.True(t, found)
	block, _, found := strings.Cut(after, "\n```")
	require.True(t, found)
	api, err := os.ReadFile("../../waf-filter/waf/rules/api.conf")
	require.NoError(t, err)
	want := strings.Replace(block, "Include @api-conf", strings.TrimSpace(string(api)), 1)
	require.NotEqual(t, block, want)

	directives, err := profile(2) // is what is written there
	require.NoError(t, err)
	assert.Equal(t, want, strings.Join(directives, "\n"))
}
