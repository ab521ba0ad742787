package jwtauthn

import (
	"strconv"
	"strings"
	"time"
)

// token is a token that is being made: first what is right, then whatever a fault makes of it.
type token struct {
	now            time.Time
	header, claims []Header               // members of the JSON objects: names as they are, and values as JSON texts
	key            string                 // that signs
	algorithm      string                 // by which it signs, whatever the header says
	salt           int                    // of PS
	write          [2]func(string) string // what is done to the JSON texts of header and claims
	wrap           [3]func(string) string // to the base64 of each part; the first two are signed as they come out
	resign         func([]byte) []byte    // to the signature
	finish         func(string) string    // to the whole
}

// newToken is a good token of a provider.
func newToken(p *Provider, algorithm string, now time.Time) *token {
	t := &token{now: now, key: keyFor(algorithm), algorithm: algorithm, salt: hashOf(algorithm).Size()}
	t.header = []Header{{"alg", quote(algorithm)}, {"kid", quote(t.key)}}
	t.claims = []Header{
		{"iss", quote(p.Issuer)}, {"sub", `"svc-alice"`}, {"aud", `"database"`}, {"iat", t.date(-60)}, {"exp", t.date(600)},
		{"org", `{"dept":"sales"}`},
	}
	return t
}

// date is a NumericDate some seconds from now.
func (t *token) date(offset int64) string { return strconv.FormatInt(t.now.Unix()+offset, 10) }

// claim sets a claim to a JSON text; "" takes it away.
func (t *token) claim(name, value string) { t.claims = member(t.claims, name, value) }

// head does so to the header.
func (t *token) head(name, value string) { t.header = member(t.header, name, value) }

func member(members []Header, name, value string) []Header {
	var out []Header
	for _, m := range members {
		if m[0] != name {
			out = append(out, m)
		}
	}
	if value == "" {
		return out
	}
	return append(out, Header{name, value})
}

// String is the token in compact serialization.
func (t *token) String() string {
	parts := [3]string{render(t.header), render(t.claims)}
	for i, write := range t.write {
		if write != nil {
			parts[i] = write(parts[i])
		}
		parts[i] = encode([]byte(parts[i]))
	}
	wrapped := func(i int) string {
		if t.wrap[i] != nil {
			return t.wrap[i](parts[i])
		}
		return parts[i]
	}
	signed := wrapped(0) + "." + wrapped(1)
	signature := keyOf(t.key).sign(t.algorithm, signed, t.salt)
	if t.resign != nil {
		signature = t.resign(signature)
	}
	parts[2] = encode(signature)
	compact := signed + "." + wrapped(2)
	if t.finish != nil {
		compact = t.finish(compact)
	}
	return compact
}

func render(members []Header) string {
	var b strings.Builder
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(m[0]) + ":" + m[1])
	}
	return "{" + b.String() + "}"
}

func quote(s string) string { return text(s) }

func seconds(n int) string { return strconv.Itoa(n) + "s" }
