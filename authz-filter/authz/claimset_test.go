package authz

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The metadata is one that Envoy's jwt_authn left; filters/attribute tests how it is read.
func TestClaimsOfJWTAuthn(t *testing.T) {
	text, err := os.ReadFile("../../filters/attribute/testdata/metadata.hex")
	require.NoError(t, err)
	metadata, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		condition object
		metadata  string
		key       string
		status    int
		reason    string
	}{
		"a string":                {object{"key": "request.auth.claims[sub]", "values": []string{"alice"}}, string(metadata), "corp", 200, ""},
		"an element":              {object{"key": "request.auth.claims[ls]", "values": []string{"write"}}, string(metadata), "corp", 200, ""},
		"nested":                  {object{"key": "request.auth.claims[org][dept][name]", "values": []string{"sales"}}, string(metadata), "corp", 200, ""},
		"another value":           {object{"key": "request.auth.claims[sub]", "values": []string{"bob"}}, string(metadata), "corp", 403, `does not match "alice"`},
		"an object has no text":   {object{"key": "request.auth.claims[org]", "values": []string{"*"}}, string(metadata), "corp", 403, "could not be evaluated"},
		"of another provider":     {object{"key": "request.auth.claims[sub]", "values": []string{"alice"}}, string(metadata), "other", 403, "the request has none"},
		"no metadata":             {object{"key": "request.auth.claims[sub]", "values": []string{"alice"}}, "", "corp", 403, "the request has none"},
		"metadata that is broken": {object{"key": "request.auth.claims[sub]", "values": []string{"alice"}}, string(metadata[:100]), "corp", 403, "could not be evaluated"},
	} {
		t.Run(name, func(t *testing.T) {
			h := get("/a")
			h.Properties["metadata"] = c.metadata
			res := decide(t, object{
				"claims":   object{"source": "jwt_authn", "metadataKey": c.key},
				"policies": []object{policy("p", "ALLOW", when(c.condition))},
			}, h)
			assert.EqualValues(t, c.status, res.Status, res.Reason)
			assert.Contains(t, res.Reason, c.reason)
		})
	}
}
