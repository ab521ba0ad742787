package jwt

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestPlacesAndOutputsThatCannotBe: what a provider may neither read a token from nor hand a claim on by.
func TestPlacesAndOutputsThatCannotBe(t *testing.T) {
	tests := []struct{ name, fields, mistake string }{
		{"a pseudo-header to read", `"fromHeaders": [{"name": ":path"}]`, `fromHeaders[0].name: found ":path", expected a header's name`},
		{"host to read", `"fromHeaders": [{"name": "Host"}]`, "fromHeaders[0].name: host cannot be used for this"},
		{"cookie to read", `"fromHeaders": [{"name": "Cookie"}]`, "fromHeaders[0].name: name the cookie in fromCookies instead"},
		{"no header to read", `"fromHeaders": []`, "fromHeaders"},
		{"a cookie with an equals sign", `"fromCookies": ["a=b"]`, `fromCookies[0]: found "a=b", expected a cookie's name`},
		{"a pseudo-header to write", `"outputPayloadToHeader": ":authority"`, `outputPayloadToHeader: found ":authority", expected a header's name`},
		{"host to write", `"outputPayloadToHeader": "host"`, "outputPayloadToHeader: host cannot be used for this"},
		{"the length to write", `"outputPayloadToHeader": "Content-Length"`, "outputPayloadToHeader: content-length cannot be used for this"},
		{"the encoding to write", `"outputClaimToHeaders": [{"header": "transfer-encoding", "claim": "te"}]`,
			"outputClaimToHeaders[0].header: transfer-encoding cannot be used for this"},
		{"the connection to write", `"outputClaimToHeaders": [{"header": "connection", "claim": "c"}]`,
			"outputClaimToHeaders[0].header: connection cannot be used for this"},
		{"a header for two claims", `"outputClaimToHeaders": [{"header": "x-a", "claim": "a"}, {"header": "X-A", "claim": "b"}]`,
			`outputClaimToHeaders[1].header: found "x-a" once more; a header hands on one thing`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Decode([]byte(`{"providers": {"corp": {"issuer": "https://idp.example", "jwksUri": "https://idp.example/keys",
				"jwksCluster": "idp", ` + test.fields + `}}}`))
			assert.ErrorContains(t, err, "$.providers.corp."+test.mistake)
		})
	}
}
