package waf_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/waf-filter/bodytest"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// fuzzedBodies are how many generated bodies each run of the tests takes, beside what fuzzing has found.
const fuzzedBodies = 150

// FuzzBody takes any body through the filter, as a whole and in parts.
func FuzzBody(f *testing.F) {
	firewall := compile(f, `{"profile": "crs-pl1"}`)
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same bodies each time
	for i := range uint64(fuzzedBodies) {
		b := bodytest.Hostile(r)
		f.Add(b.Type, []byte(b.Text), i)
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte, seed uint64) {
		if len(body) == 0 || len(body) > 64<<10 || strings.ContainsAny(contentType, "\r\n\x00") {
			return
		}
		e := exchange{method: "POST", headers: with("content-type", contentType), body: string(body)}
		whole := inspectBody(t, firewall, &e, func() int { return len(body) })
		cuts := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // where to cut
		parts := inspectBody(t, firewall, &e, func() int { return cuts.IntN(len(body) + 1) })
		assert.Equal(t, whole.Effect, parts.Effect, "in parts: %v, as a whole: %v", parts, whole)
		assert.Equal(t, whole.Status, parts.Status, "in parts: %v, as a whole: %v", parts, whole)
		if why := malformed(contentType, body); why != "" {
			assert.Equal(t, decision.Deny, whole.Effect, "%s passes", why)
		}
	})
}

// inspectBody takes a request to the decision, with parts of the body as long as next says. What the engine keeps of it for its
// rules to look at must not be much more than there is, nor more values than there may be.
func inspectBody(t *testing.T, f *waf.Firewall, e *exchange, next func() int) decision.Decision {
	t.Helper()
	tx := &waf.Transaction{}
	defer tx.Close()
	step := f.Begin(tx, &waf.Connection{ClientIP: "192.0.2.1", Protocol: "HTTP/2"}, e.request(), false)
	for rest := e.body; step == waf.Hold; {
		part := []byte(rest[:min(next(), len(rest))])
		rest = rest[len(part):]
		step = tx.RequestBody(part, rest == "")
		clear(part)
	}
	if tx.Blocked() != waf.RequestHeaders {
		values, size := tx.BodyValues()
		assert.LessOrEqual(t, values, 4*1000)
		assert.LessOrEqual(t, size, 16*len(e.body)+8<<10)
	}
	tx.End()
	return tx.Decision()
}

// malformed tells of a body that a strict reader refuses.
func malformed(contentType string, body []byte) string {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	switch {
	case media == "application/json" && !json.Valid(body):
		return "what is no JSON"
	case media == "multipart/form-data":
		r := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
		if _, err := r.ReadForm(1 << 20); err != nil {
			return "what is no multipart"
		}
	}
	return ""
}

// FuzzAttack puts an attack among harmless fields: it is blocked as if it were alone.
func FuzzAttack(f *testing.F) {
	firewall := compile(f, `{"profile": "crs-pl1"}`)
	for kind := range bodytest.Kinds {
		for attack := range bodytest.Attacks {
			f.Add(uint8(kind), uint8(attack), "q", "a", "b", "c", "d", 1, 1)
			f.Add(uint8(kind), uint8(attack), "a", "a", "shoes & <b>", "a", "1", 3, 0)
		}
	}
	f.Fuzz(func(t *testing.T, kind, attack uint8, name, before, beforeValue, after, afterValue string, n, m int) {
		for _, s := range []string{name, before, beforeValue, after, afterValue} {
			if !utf8.ValidString(s) || len(s) > 1000 {
				return
			}
		}
		var fields []bodytest.Field
		for range uint(n) % 20 {
			fields = append(fields, bodytest.Field{Name: before, Value: beforeValue})
		}
		fields = append(fields, bodytest.Field{Name: name, Value: bodytest.Attacks[int(attack)%len(bodytest.Attacks)]})
		for range uint(m) % 20 {
			fields = append(fields, bodytest.Field{Name: after, Value: afterValue})
		}
		b := bodytest.Document(bodytest.Kinds[int(kind)%len(bodytest.Kinds)], fields)
		e := exchange{method: "POST", headers: with("content-type", b.Type), body: b.Text}
		d := inspectBody(t, firewall, &e, func() int { return len(b.Text) })
		require.Equal(t, decision.Deny, d.Effect, b.Text)
	})
}
