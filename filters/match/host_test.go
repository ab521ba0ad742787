package match_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/match"
)

func TestHost(t *testing.T) {
	for pattern, c := range map[string]struct{ yes, no []string }{
		"api.example.org": {
			[]string{"api.example.org", "API.Example.ORG", "api.example.org.", "api.example.org:443", "api.example.org.:443", "api.example.org:"},
			[]string{"", "xapi.example.org", "api.example.org.evil", "evil:api.example.org", "example.org"},
		},
		"API.example.org.":    {[]string{"api.example.org", "api.example.org:80"}, []string{"api.example.com"}},
		"api.example.org:443": {[]string{"api.example.org:443", "API.example.org.:443"}, []string{"api.example.org", "api.example.org:8443"}},
		"*.example.org":       {[]string{"a.example.org", "a.b.example.org:1"}, []string{"example.org", "example.org.evil"}},
		"*.example.org:443":   {[]string{"a.example.org:443"}, []string{"a.example.org", "a.example.org:80"}},
		"*:443":               {[]string{"a:443", "[::1]:443"}, []string{"a", "a:4430", "[::443]"}},
		"db*":                 {[]string{"db", "db-1.example", "db:80"}, []string{"a.db"}},
		"10.0.*":              {[]string{"10.0.1.1", "10.0.1.1:80"}, []string{"10.01.1.1", "10.0"}},
		"db:*":                {[]string{"db:80", "db:"}, []string{"db", "dbx:80"}},
		"db:80*":              {[]string{"db:80", "db:8080"}, []string{"db:180", "db"}},
		"[::1]":               {[]string{"[::1]", "[::1]:80"}, []string{"[::11]", "::1"}},
		"[::1]:80":            {[]string{"[::1]:80"}, []string{"[::1]", "[::1]:8080"}},
		"[FE80:*":             {[]string{"[fe80::1]", "[fe80::1]:80"}, []string{"[fe81::1]"}},
		"*":                   {[]string{"a", "a:80"}, []string{""}},
		"kube.example":        {[]string{"KUBE.example"}, []string{"\u212aube.example"}},
	} {
		h, err := match.ParseHost(pattern)
		require.NoError(t, err, pattern)
		for _, v := range c.yes {
			assert.True(t, h.Match(match.NormalHost(v)), "%q matches %q", pattern, v)
		}
		for _, v := range c.no {
			assert.False(t, h.Match(match.NormalHost(v)), "%q does not match %q", pattern, v)
		}
	}
	_, err := match.ParseHost("a.*.example.org")
	assert.ErrorIs(t, err, match.ErrStar)
}

func TestValidAuthority(t *testing.T) {
	for _, yes := range []string{
		"", "a", "a.example", "a.example:80", "a.example:", "a_b", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:80",
		"[fe80::1%25eth0]:80", "::1", "::ffff:10.0.0.1",
	} {
		assert.True(t, match.ValidAuthority(yes), yes)
	}
	for _, no := range []string{
		"a@b", "a:b@c", "a.example:x@b.example", "a.example:80@b.example:80", "a.example:x", "a.example:8x", "a.example:-1",
		"a.example:80:80", "x:a.example:80", "[::1]x", "[::1]x:80", "[::1]:x", "[::1", "[]:", "[:", "[::1]]",
	} {
		assert.False(t, match.ValidAuthority(no), no)
	}
}

// The normal form of a host is stable, and matches the host as a pattern.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"A.example.org.:80", "[::1]:80", "::1", "a:", ":80", "..", "a@b:c", "\u212a:1", "[", "]:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		normal := match.NormalHost(authority)
		require.LessOrEqual(t, len(normal), len(authority))
		if !match.ValidAuthority(authority) {
			return
		}
		require.Equal(t, -1, strings.IndexFunc(normal, func(r rune) bool { return r >= 'A' && r <= 'Z' }), "upper case in %q", normal)
		name, _, _ := strings.Cut(normal, ":")
		if !strings.HasSuffix(name, ".") { // "a.." has an empty label: whoever sends it is not cared for
			require.Equal(t, normal, match.NormalHost(normal), "normal form of the normal form of %q", authority)
		}
		if strings.Contains(authority, "*") || authority == "" || strings.Contains(normal, "..") {
			return
		}
		h, err := match.ParseHost(authority)
		require.NoError(t, err)
		require.True(t, h.Match(normal), "%q matches itself as %q", authority, normal)
		require.False(t, h.Match("x"+normal))
	})
}
