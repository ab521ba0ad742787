package jwt

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func compact(header, payload, signature string) string {
	return b64([]byte(header)) + "." + b64([]byte(payload)) + "." + b64([]byte(signature))
}

func TestParseToken(t *testing.T) {
	raw := compact(`{"alg":"ES256","kid":"k","typ":"Application/AT+JWT","jwk":{"kty":"EC"},"b64":true}`, ` {"sub":"alice"} `, "sig")
	token, err := ParseToken(raw)
	require.NoError(t, err)
	assert.Equal(t, ES256, token.algorithm)
	assert.Equal(t, "k", token.keyID)
	assert.Equal(t, "at+jwt", token.typ)
	assert.Equal(t, raw[:strings.LastIndexByte(raw, '.')], token.signed)
	assert.Equal(t, "sig", string(token.signature))
	assert.Equal(t, ` {"sub":"alice"} `, token.payload)
}

func TestParseTokenRefuses(t *testing.T) {
	const header, payload = `{"alg":"ES256"}`, `{}`
	good := compact(header, payload, "sig")
	parts := strings.Split(good, ".")
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"nothing":                  {"", errParts},
		"one part":                 {parts[0], errParts},
		"two parts":                {parts[0] + "." + parts[1], errParts},
		"four parts":               {good + ".", errParts},
		"a JWE":                    {"a.b.c.d.e", errParts},
		"too long":                 {good + strings.Repeat("A", MaxTokenBytes), errSize},
		"a space":                  {" " + good, errEncoding},
		"a line break":             {parts[0][:4] + "\n" + parts[0][4:] + "." + parts[1] + "." + parts[2], errEncoding},
		"a carriage return":        {good + "\r", errEncoding},
		"padding":                  {parts[0] + "." + parts[1] + "=." + parts[2], errEncoding},
		"standard base64":          {parts[0] + "." + parts[1] + ".a+/b", errEncoding},
		"stray bits":               {parts[0] + "." + parts[1] + ".AB", errEncoding},
		"one character too many":   {parts[0] + "." + parts[1] + ".AAAAA", errEncoding},
		"no signature":             {compact(header, payload, ""), errSignature},
		"no header":                {compact("", payload, "s"), errHeader},
		"alg none":                 {compact(`{"alg":"none"}`, payload, "s"), errNoAlg},
		"alg nOnE":                 {compact(`{"alg":"nOnE"}`, payload, "s"), errNoAlg},
		"no alg":                   {compact(`{}`, payload, "s"), errNoAlg},
		"alg in another case":      {compact(`{"alg":"es256"}`, payload, "s"), errNoAlg},
		"alg under another name":   {compact(`{"ALG":"ES256"}`, payload, "s"), errNoAlg},
		"alg is a list":            {compact(`{"alg":["ES256"]}`, payload, "s"), errMember},
		"two algs":                 {compact(`{"alg":"none","alg":"ES256"}`, payload, "s"), errHeader},
		"two algs, one escaped":    {compact(`{"alg":"ES256","\u0061lg":"none"}`, payload, "s"), errHeader},
		"kid is a number":          {compact(`{"alg":"ES256","kid":1}`, payload, "s"), errMember},
		"typ is null":              {compact(`{"alg":"ES256","typ":null}`, payload, "s"), errMember},
		"crit":                     {compact(`{"alg":"ES256","crit":["b64"],"b64":false}`, payload, "s"), errCrit},
		"an empty crit":            {compact(`{"crit":[],"alg":"ES256"}`, payload, "s"), errCrit},
		"the header is a list":     {compact(`[]`, payload, "s"), errHeader},
		"the payload is a string":  {compact(header, `"x"`, "s"), errPayload},
		"the payload is a token":   {compact(header, good, "s"), errPayload},
		"a claim twice":            {compact(header, `{"sub":"a","sub":"b"}`, "s"), errPayload},
		"a claim twice, nested":    {compact(header, `{"o":{"r":1,"r":2}}`, "s"), errPayload},
		"the payload is not UTF-8": {compact(header, "{\"a\":\"\xff\"}", "s"), errPayload},
		"the header is not UTF-8":  {compact("{\"alg\":\"ES256\",\"a\":\"\xff\"}", payload, "s"), errHeader},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseToken(c.raw)
			assert.ErrorIs(t, err, c.want)
		})
	}
}

// What a token says never comes back in why it is refused.
func TestReasonsRepeatNothing(t *testing.T) {
	const marker = "zzmarkerzz"
	v := verifier(t, object{"audiences": []string{"a"}, "certificateBound": "required"}, nil)
	for _, token := range []string{
		marker, compact(`{"alg":"`+marker+`"}`, "{}", "s"), compact(`{"alg":"ES256","`+marker+`":1,"`+marker+`":2}`, "{}", "s"),
		sign(t, jose.ES256, claimsFor(object{"aud": marker})), sign(t, jose.ES256, claimsFor(object{"iss": marker})),
		sign(t, jose.ES256, claimsFor(object{"aud": "a", "cnf": object{"x5t#S256": marker}})),
	} {
		res := decide(t, v, bearing(token), now)
		assert.EqualValues(t, 401, res.Status)
		assert.NotContains(t, res.Reason, marker)
	}
}
