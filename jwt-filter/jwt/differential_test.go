package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/hosttest"
)

// differential judges a token three times: by the filter (both ways of checking a signature), by go-jose and by jwx.
//
// The filter may be stricter than both, for a reason that faults finds by itself. It is never laxer than both.
type differential struct {
	verifiers map[string]*Verifier
	public    map[string]any // by key type, as the two libraries take them
}

// differentialKeys are the keys by their names in rfcExamples: known in advance, so that a token which the fuzzer
// found once is as interesting tomorrow.
var differentialKeys = map[family][]string{
	familyRS:    {"rfc7515-a2"},
	familyPS:    {"rfc7515-a2"},
	familyES:    {"rfc7515-a3", "rfc6979-a2.6", "rfc7515-a4"},
	familyEdDSA: {"rfc8037-a1"},
	familyHS:    {"rfc7515-a1"},
}

// differentialRSAKeyID is the kid of the RSA key. The others have none, so any kid fits them.
const differentialRSAKeyID = "rsa-1"

func differentialKey(a Algorithm) string {
	names := differentialKeys[algorithms[a].family]
	if len(names) == 3 {
		return names[a-ES256]
	}
	return names[0]
}

func newDifferential(t testing.TB, cacheEntries int) *differential {
	t.Helper()
	d := &differential{verifiers: map[string]*Verifier{}, public: map[string]any{}}
	var keys []any
	for a := RS256; a <= HS512; a++ {
		name := differentialKey(a)
		if d.public[name] != nil {
			continue
		}
		k := rfcJWK(t, name, false)
		var read jose.JSONWebKey
		require.NoError(t, read.UnmarshalJSON([]byte(mustJSON(t, k))))
		d.public[name] = read.Key
		if k["kty"] == "RSA" {
			k["kid"] = differentialRSAKeyID
		}
		keys = append(keys, k)
	}
	for name, s := range bothSignatures() {
		config := mustJSON(t, object{"providers": object{"corp": object{
			"issuer": issuer, "algorithms": AlgorithmNames, "jwks": object{"keys": keys}, "spaceDelimitedClaims": []string{},
		}}, "cache": object{"entries": cacheEntries}})
		decoded, err := Decode([]byte(config))
		require.NoError(t, err)
		d.verifiers[name] = New(decoded, s)
	}
	return d
}

// judgement is what came of a token, for a test that counts.
type judgement struct {
	filter, jose, jwx bool
	reason            string
}

// judge fails the test if the filter is laxer than both libraries, or stricter for no reason.
func (d *differential) judge(t testing.TB, token string) judgement {
	t.Helper()
	h := bearing()
	h.Headers = append(h.Headers, [2]string{"authorization", "Bearer " + token})
	// A comma ends the first of several credentials (RFC 9110 section 5.3), and white space around one is not its own.
	raw, _, _ := strings.Cut(token, ",")
	raw = strings.Trim(raw, " \t")

	res := d.decide(t, h)
	josePayload, joseErr := d.jose(raw)
	jwxPayload, jwxErr := d.jwx(raw)
	j := judgement{res.Status == 200, joseErr == nil, jwxErr == nil, res.Reason}
	switch {
	case j.filter:
		require.True(t, j.jose || j.jwx || keyMembers(raw), "the filter alone accepts %q\ngo-jose: %v\njwx: %v", raw, joseErr, jwxErr)
		for _, payload := range [][]byte{josePayload, jwxPayload} {
			if payload != nil {
				require.JSONEq(t, `{"corp":`+string(payload)+`}`, res.Claims, "the libraries read other claims in %q", raw)
			}
		}
	case j.jose && j.jwx && res.Status == 400:
		require.True(t, strings.ContainsFunc(raw, func(r rune) bool { return r != '\t' && (r < ' ' || r >= 0x7f) }),
			"the filter alone does not read %q", raw)
	case j.jose && j.jwx:
		why := faults(raw)
		require.Contains(t, why, res.Reason, "the filter alone refuses %q", raw)
	}
	return j
}

// decide is the filter's decision, which does not depend on where signatures are checked.
func (d *differential) decide(t testing.TB, h *hosttest.Host) Result {
	t.Helper()
	inWasm := decide(t, d.verifiers["in Wasm"], h, now)
	onHost := decide(t, d.verifiers["on the host"], h, now)
	inWasm.CacheHits, inWasm.CacheMisses, onHost.CacheHits, onHost.CacheMisses = 0, 0, 0, 0
	require.Equal(t, inWasm, onHost)
	switch inWasm.Status {
	case 200:
		require.NotEmpty(t, inWasm.Claims)
	case 400, 401:
		if inWasm.Status == 400 {
			require.Contains(t, inWasm.Reason, errCharacter.Error())
		}
		require.Empty(t, inWasm.Claims)
		require.Empty(t, inWasm.Principal)
		require.Empty(t, inWasm.Set)
	default:
		require.Fail(t, "neither accepted nor refused", "%+v", inWasm)
	}
	return inWasm
}

const differentialSkew = time.Minute // the filter's default

func (d *differential) jose(raw string) (payload []byte, err error) {
	token, err := josejwt.ParseSigned(raw, joseAlgorithms())
	if err != nil {
		return nil, err
	}
	a, _ := ParseAlgorithm(token.Headers[0].Algorithm)
	if a == unknown {
		return nil, errNoAlg
	}
	var claims josejwt.Claims
	var text json.RawMessage
	if err := token.Claims(d.public[differentialKey(a)], &claims, &text); err != nil {
		return nil, err
	}
	claims.IssuedAt = nil // RFC 7519 section 4.1.6 refuses nothing for it
	return text, claims.ValidateWithLeeway(josejwt.Expected{Issuer: issuer, Time: now}, differentialSkew)
}

func joseAlgorithms() (algs []jose.SignatureAlgorithm) {
	for _, name := range AlgorithmNames {
		algs = append(algs, jose.SignatureAlgorithm(name))
	}
	return algs
}

func (d *differential) jwx(raw string) (payload []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	message, err := jws.Parse([]byte(raw), jws.WithCompact())
	if err != nil {
		return nil, err
	}
	if len(message.Signatures()) != 1 {
		return nil, errParts
	}
	alg, ok := message.Signatures()[0].ProtectedHeaders().Algorithm()
	if !ok {
		return nil, errNoAlg
	}
	a, _ := ParseAlgorithm(alg.String())
	if a == unknown {
		return nil, errNoAlg
	}
	named, ok := jwa.LookupSignatureAlgorithm(a.String())
	if !ok {
		return nil, errNoAlg
	}
	payload, err = jws.Verify([]byte(raw), jws.WithCompact(), jws.WithKey(named, d.public[differentialKey(a)]),
		jws.WithAlgorithmMatch(true), jws.WithCritValidation(true))
	if err != nil {
		return nil, err
	}
	token := jwxjwt.New()
	if err := json.Unmarshal(payload, token); err != nil {
		return payload, err
	}
	return payload, jwxjwt.Validate(token, jwxjwt.WithResetValidators(true),
		jwxjwt.WithValidator(jwxjwt.IsExpirationValid()), jwxjwt.WithValidator(jwxjwt.IsNbfValid()),
		jwxjwt.WithIssuer(issuer), jwxjwt.WithAcceptableSkew(differentialSkew),
		jwxjwt.WithClock(jwxjwt.ClockFunc(func() time.Time { return now })))
}

// splitToken is the decoded parts of a token in canonical base64url.
func splitToken(t testing.TB, raw string) (parts [3][]byte) {
	t.Helper()
	texts := strings.Split(raw, ".")
	require.Len(t, texts, 3)
	for i, text := range texts {
		var err error
		parts[i], err = base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		require.Equal(t, text, base64.RawURLEncoding.EncodeToString(parts[i]))
	}
	return parts
}

// keyMembers tells whether a header has members that the two libraries read and the filter by design never does
// (RFC 8725 section 3.10): what is malformed there is no concern of the filter's.
func keyMembers(raw string) bool {
	parts := strings.Split(raw, ".")
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(header, &members) != nil {
		return false
	}
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"} {
		if _, ok := members[name]; ok {
			return true
		}
	}
	return false
}

// faults says why the filter may refuse a token that others accept: everything that the README promises beyond
// the signature, each with the filter's words for it. It is written without the filter's parsers.
func faults(raw string) []string {
	var found []string
	add := func(when bool, reason string) {
		if when {
			found = append(found, reason)
		}
	}
	add(len(raw) > 64<<10, "the token is longer than 64 KiB")
	parts := strings.Split(raw, ".")
	add(len(parts) != 3, "the token is not three parts separated by dots")
	if len(parts) != 3 {
		return found
	}
	var decoded [3][]byte
	for i, part := range parts {
		lenient := strings.TrimRight(strings.NewReplacer("+", "-", "/", "_", "\n", "", "\r", "").Replace(part), "=")
		decoded[i], _ = base64.RawURLEncoding.DecodeString(lenient)
		add(base64.RawURLEncoding.EncodeToString(decoded[i]) != part, "the token is not canonical base64url")
	}
	add(parts[2] == "", "the token's signature is empty")
	header, ok := unambiguous(decoded[0])
	add(!ok, "the token's header is not one unambiguous JSON object")
	if ok {
		_, crit := header["crit"]
		add(crit, "the token's header has critical extensions")
		add(has(header, "b64") && header["b64"] != true, "the token's header says that the payload is not encoded")
		for _, name := range []string{"alg", "kid", "typ"} {
			_, isText := header[name].(string)
			add(header[name] != nil && !isText || has(header, name) && header[name] == nil, "the token's header has a member of the wrong type")
		}
		typ, _ := header["typ"].(string)
		typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
		add(!slices.Contains([]string{"", "jwt", "at+jwt"}, typ), "the token's type is not accepted")
		alg, _ := header["alg"].(string)
		add(!slices.Contains(AlgorithmNames, alg), "the token's header names no known algorithm")
		kid, _ := header["kid"].(string)
		add(strings.Contains("RS PS", alg[:min(2, len(alg))]) && kid != "" && kid != differentialRSAKeyID, "no key of the issuer fits the token")
	}
	claims, ok := unambiguous(decoded[1])
	add(!ok, "the token's payload is not one unambiguous JSON object")
	if ok {
		add(claims["iss"] != issuer, "the token's issuer is not accepted")
		add(!has(claims, "exp"), "the token does not expire")
		for _, name := range []string{"exp", "nbf", "iat"} {
			number, isNumber := claims[name].(json.Number)
			value, valid := new(big.Float).SetString(string(number))
			isDate := isNumber && valid && value.Sign() >= 0 && value.Cmp(big.NewFloat(1e12)) <= 0
			add(has(claims, name) && !isDate, "the token's "+name+" is not a date")
			if !isDate {
				continue
			}
			seconds, _ := value.Float64()
			skewed := float64(now.Unix()) - differentialSkew.Seconds()
			add(name == "exp" && seconds <= skewed, "the token has expired")
			add(name == "nbf" && seconds > float64(now.Unix())+differentialSkew.Seconds(), "the token is not valid yet")
		}
		for _, name := range []string{"sub", "jti"} {
			_, isText := claims[name].(string)
			add(has(claims, name) && !isText, "the token's "+name+" is not a string")
		}
		_, isText := claims["aud"].(string)
		list, isList := claims["aud"].([]any)
		for _, e := range list {
			_, ok := e.(string)
			isList = isList && ok
		}
		add(has(claims, "aud") && !isText && !isList, "the token's aud is neither a string nor a list of strings")
		// RFC 8705: a token that is bound needs its certificate, and the requests here have none.
		if cnf, isObject := claims["cnf"].(map[string]any); has(claims, "cnf") && (!isObject || has(cnf, "x5t#S256")) {
			add(true, "the token is bound to another certificate")
		}
	}
	return found
}

func has(members map[string]any, name string) bool {
	_, ok := members[name]
	return ok
}

// unambiguous reads a JSON object that has one reading: UTF-8, no name twice, no lone surrogates, no number beyond a
// float64, 32 levels.
func unambiguous(doc []byte) (map[string]any, bool) {
	if !utf8.Valid(doc) || !json.Valid(doc) || loneSurrogates(doc) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	v, ok := value(decoder, 0)
	object, isObject := v.(map[string]any)
	if _, err := decoder.Token(); err != io.EOF {
		return nil, false
	}
	return object, ok && isObject
}

func value(decoder *json.Decoder, depth int) (any, bool) {
	token, err := decoder.Token()
	if err != nil {
		return nil, false
	}
	if number, ok := token.(json.Number); ok {
		_, err := number.Float64()
		return number, err == nil
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return token, true
	}
	if depth == 32 {
		return nil, false
	}
	members, elements := map[string]any{}, []any{}
	for decoder.More() {
		name := ""
		if delim == '{' {
			key, err := decoder.Token()
			if err != nil {
				return nil, false
			}
			name = key.(string)
		}
		v, ok := value(decoder, depth+1)
		if !ok || delim == '{' && has(members, name) {
			return nil, false
		}
		members[name] = v
		elements = append(elements, v)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, false
	}
	if delim == '{' {
		return members, true
	}
	return elements, true
}

// loneSurrogates looks at the escapes of a valid document.
func loneSurrogates(doc []byte) bool {
	var high rune
	for i := 0; i < len(doc); i++ {
		var unit rune
		if doc[i] == '\\' && doc[i+1] == 'u' {
			_, _ = fmt.Sscanf(string(doc[i+2:i+6]), "%x", &unit)
			i += 5
		} else if doc[i] == '\\' {
			i++
		}
		switch {
		case high != 0 && utf16.DecodeRune(high, unit) == utf8.RuneError:
			return true
		case high != 0:
			high = 0
		case unit >= 0xdc00 && unit <= 0xdfff:
			return true
		case unit >= 0xd800 && unit <= 0xdbff:
			high = unit
		}
	}
	return high != 0
}
