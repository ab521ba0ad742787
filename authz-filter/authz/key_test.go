package authz

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseKey(t *testing.T) {
	for text, want := range map[string]Key{
		"request.method":                        {kind: keyMethod},
		"request.headers[X-Env]":                {kind: keyHeader, name: "x-env"},
		"request.headers[Host]":                 {kind: keyHeader, name: ":authority"},
		"request.headers[:path]":                {kind: keyHeader, name: ":path"},
		"request.auth.principal":                {kind: keyAuthPrincipal},
		"request.auth.audiences":                {kind: keyAuthAudiences},
		"request.auth.presenter":                {kind: keyAuthPresenter},
		"request.auth.claims[scope]":            {kind: keyClaim, path: []string{"scope"}},
		"request.auth.claims[a.b][https://c/d]": {kind: keyClaim, path: []string{"a.b", "https://c/d"}},
		"source.principal":                      {kind: keySourcePrincipal},
		"source.namespace":                      {kind: keySourceNamespace},
		"source.serviceAccount":                 {kind: keySourceServiceAccount},
		"connection.sni":                        {kind: keySNI},
	} {
		k, err := ParseKey(text)
		require.NoError(t, err, text)
		want.text = text
		assert.Equal(t, want, k)
		assert.Equal(t, text, k.String())
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, text := range []string{
		"", "x", "Request.method", "request.headers", "request.headers[]", "request.headers[a][b]", "request.headers[a", "request.headersa]",
		"request.headers[a]b", "request.headers [a]", "request.auth.claims", "request.auth.claims[]", "request.auth.claims[a][]",
		"request.auth.claims[[a]]", "request.auth.claims[a]]", "request.auth.claims.a", "request.auth", "source.ip ",
	} {
		_, err := ParseKey(text)
		assert.Error(t, err, text)
	}
}
