package traffic

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
)

// host is where all requests go.
const host = "shop.example"

// message is a request in parts.
type message struct {
	method, target string
	headers        [][2]string
	contentType    string
	body           []byte
	attack         bool
}

func (m *message) wire() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", m.method, m.target, host)
	for _, h := range m.headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if m.body != nil {
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", m.contentType, len(m.body))
	}
	b.WriteString("\r\n")
	b.Write(m.body)
	return b.Bytes()
}

// set replaces a header, or adds it.
func (m *message) set(name, value string) {
	for i := range m.headers {
		if m.headers[i][0] == name {
			m.headers[i][1] = value
			return
		}
	}
	m.headers = append(m.headers, [2]string{name, value})
}

// pairs are names and values in turn, as a query or a form has them.
func pairs(namesAndValues ...string) string {
	var b strings.Builder
	for i := 0; i < len(namesAndValues); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(namesAndValues[i]) + "=" + url.QueryEscape(namesAndValues[i+1]))
	}
	return b.String()
}
