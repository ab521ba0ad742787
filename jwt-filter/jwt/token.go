package jwt

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// MaxTokenBytes bounds what is parsed at all. Envoy's own limit for all headers is 60 KiB by default.
const MaxTokenBytes = 64 << 10

// Token is a parsed JWS in compact serialization (RFC 7515 section 7.1). Nothing in it is to be believed
// before its signature is verified.
type Token struct {
	algorithm Algorithm
	keyID     string
	typ       string // lower case, without "application/"
	signed    string // the signing input
	signature []byte
	payload   string // JSON text of the claims
	claims    gjson.Result
}

// errors of Parse; the text goes into reasons and into error_description, so it has no quotes and repeats
// nothing that the client sent.
var (
	errSize      = errors.New("the token is longer than 64 KiB")
	errParts     = errors.New("the token is not three parts separated by dots")
	errEncoding  = errors.New("the token is not canonical base64url")
	errNoAlg     = errors.New("the token's header names no known algorithm")
	errCrit      = errors.New("the token's header has critical extensions")
	errUnencoded = errors.New("the token's header says that the payload is not encoded")
	errMember    = errors.New("the token's header has a member of the wrong type")
	errHeader    = errors.New("the token's header is not one unambiguous JSON object")
	errPayload   = errors.New("the token's payload is not one unambiguous JSON object")
	errSignature = errors.New("the token's signature is empty")
)

// ParseToken reads a compact JWS. It allocates for the decoded parts only.
func ParseToken(raw string) (*Token, error) {
	if len(raw) > MaxTokenBytes {
		return nil, errSize
	}
	head, rest, ok := strings.Cut(raw, ".")
	if !ok {
		return nil, errParts
	}
	body, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.IndexByte(signature, '.') >= 0 {
		return nil, errParts
	}
	t := &Token{signed: raw[:len(head)+1+len(body)]}
	header, err := decode64(head)
	if err != nil {
		return nil, errEncoding
	}
	payload, err := decode64(body)
	if err != nil {
		return nil, errEncoding
	}
	if t.signature, err = decode64(signature); err != nil {
		return nil, errEncoding
	}
	if err := t.parseHeader(string(header)); err != nil {
		return nil, err
	}
	if len(t.signature) == 0 {
		return nil, errSignature
	}
	t.payload = string(payload)
	t.claims, err = jsonstrict.Parse(t.payload)
	if err != nil || !t.claims.IsObject() {
		return nil, errPayload
	}
	return t, nil
}

// isFrom tells whether the token says that it is an issuer's.
func (t *Token) isFrom(issuer string) bool {
	iss, ok := text(t.claims, "iss")
	return ok && iss == issuer
}

// parseHeader reads the JOSE header. jku, x5u, jwk and x5c, which would let a token bring its own key, are
// not looked at.
func (t *Token) parseHeader(text string) error {
	header, err := jsonstrict.Parse(text)
	if err != nil || !header.IsObject() {
		return errHeader
	}
	header.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "crit":
			err = errCrit // RFC 7515 section 4.1.11: none is understood here
		case "b64":
			if v.Type != gjson.True { // RFC 7797 section 7: no JWT has another value
				err = errUnencoded
			}
		case "alg", "kid", "typ":
			if v.Type != gjson.String {
				err = errMember
				break
			}
			switch k.Str {
			case "alg":
				t.algorithm, _ = ParseAlgorithm(v.Str)
			case "kid":
				t.keyID = v.Str
			case "typ":
				// RFC 7515 section 4.1.9: a media type, "application/" left out where that is possible.
				if t.typ = strings.ToLower(v.Str); t.typ != "application/" {
					t.typ = strings.TrimPrefix(t.typ, "application/")
				}
			}
		}
		return err == nil
	})
	if err == nil && t.algorithm == unknown {
		err = errNoAlg
	}
	return err
}

// decode64 accepts the one base64url form without padding (RFC 7515 section 2) that encodes the bytes:
// no line breaks, which encoding/base64 would skip, and no stray bits at the end.
func decode64(s string) ([]byte, error) {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return nil, errEncoding
	}
	return strict64.DecodeString(s)
}

var strict64 = base64.RawURLEncoding.Strict()
