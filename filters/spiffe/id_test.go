package spiffe_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/spiffe"
)

func TestParse(t *testing.T) {
	id, err := spiffe.Parse("spiffe://example.org/ns/shop/sa/backend")
	require.NoError(t, err)
	assert.Equal(t, "example.org/ns/shop/sa/backend", id.Name())
	assert.Equal(t, "spiffe://example.org/ns/shop/sa/backend", id.String())
	assert.Equal(t, "example.org", id.TrustDomain())
	assert.Equal(t, "/ns/shop/sa/backend", id.Path())
	assert.False(t, id.IsZero())
	assert.True(t, spiffe.ID{}.IsZero())
	assert.Empty(t, spiffe.ID{}.String())
	assert.Empty(t, spiffe.ID{}.TrustDomain())
}

func TestParseRefuses(t *testing.T) {
	for uri, want := range map[string]error{
		"":                          spiffe.ErrScheme,
		"example.org/a":             spiffe.ErrScheme,
		"SPIFFE://example.org/a":    spiffe.ErrScheme,
		"https://example.org/a":     spiffe.ErrScheme,
		" spiffe://example.org/a":   spiffe.ErrScheme,
		"spiffe:///a":               spiffe.ErrTrustDomain,
		"spiffe://":                 spiffe.ErrTrustDomain,
		"spiffe://Example.org/a":    spiffe.ErrTrustDomain,
		"spiffe://example.org:80/a": spiffe.ErrTrustDomain,
		"spiffe://u@example.org/a":  spiffe.ErrTrustDomain,
		"spiffe://example.org?q":    spiffe.ErrTrustDomain,
		"spiffe://ex%61mple.org/a":  spiffe.ErrTrustDomain,
		"spiffe://" + strings.Repeat("a", 256) + "/a":       spiffe.ErrTrustDomain,
		"spiffe://example.org":                              spiffe.ErrNoPath,
		"spiffe://example.org/":                             spiffe.ErrPath,
		"spiffe://example.org/a/":                           spiffe.ErrPath,
		"spiffe://example.org//a":                           spiffe.ErrPath,
		"spiffe://example.org/a//b":                         spiffe.ErrPath,
		"spiffe://example.org/./a":                          spiffe.ErrPath,
		"spiffe://example.org/a/..":                         spiffe.ErrPath,
		"spiffe://example.org/a?q":                          spiffe.ErrPath,
		"spiffe://example.org/a#f":                          spiffe.ErrPath,
		"spiffe://example.org/a%2fb":                        spiffe.ErrPath,
		"spiffe://example.org/a\x00":                        spiffe.ErrPath,
		"spiffe://example.org/a,spiffe://b/c":               spiffe.ErrPath,
		"spiffe://example.org/" + strings.Repeat("a", 2048): spiffe.ErrLength,
	} {
		id, err := spiffe.Parse(uri)
		assert.ErrorIs(t, err, want, uri)
		assert.True(t, id.IsZero(), uri)
	}
}

func TestServiceAccount(t *testing.T) {
	for path, want := range map[string][2]string{
		"/ns/shop/sa/backend":   {"shop", "backend"},
		"/ns/shop/sa/backend/x": {},
		"/ns/shop/backend":      {},
		"/ns/shop":              {},
		"/x/ns/shop/sa/backend": {},
		"/NS/shop/sa/backend":   {},
	} {
		id, err := spiffe.Parse("spiffe://example.org" + path)
		require.NoError(t, err)
		namespace, account, ok := id.ServiceAccount()
		assert.Equal(t, want[0] != "", ok, path)
		assert.Equal(t, want, [2]string{namespace, account}, path)
	}
}

// What is accepted is a URI of which others read the same parts.
func FuzzSPIFFE(f *testing.F) {
	for _, s := range []string{"spiffe://example.org/ns/shop/sa/backend", "spiffe://a", "spiffe://a/..", "spiffe://a/b?c", "spiffe://a:1/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		id, err := spiffe.Parse(uri)
		if err != nil {
			require.True(t, id.IsZero())
			return
		}
		require.Equal(t, uri, id.String())
		u, err := url.Parse(uri)
		require.NoError(t, err)
		require.Equal(t, []string{"spiffe", id.TrustDomain(), id.Path(), "", ""}, []string{u.Scheme, u.Host, u.Path, u.RawQuery, u.Fragment})
		require.Nil(t, u.User)
		require.Empty(t, u.Port())
		require.Equal(t, u.String(), u.JoinPath().String(), "the path is clean")
		id.ServiceAccount()
	})
}
