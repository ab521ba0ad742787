package waf

import (
	"strings"

	"github.com/palisade-mesh/palisade/filters/match"
)

// head is what of a request's headers decides how it is inspected.
type head struct {
	method, target, authority string

	authorities int  // headers of that name
	hosts       int  // of the other name
	grpc        bool // the body is a conversation of binary messages
	sized       bool // a length of the body is told
	upgrade     bool // another protocol is asked for
}

// isTunnel tells whether what follows is not a body but another protocol. Envoy refuses an Upgrade that it was not
// configured for, and one beside a length is a body all the same.
func (r *head) isTunnel() bool {
	return r.method == "CONNECT" || r.method == "GET" && r.upgrade && !r.sized
}

// isChunked tells whether a request had Transfer-Encoding: chunked, which Envoy removes before filters see it. HTTP/1.1 has no other
// way of a body without a length (RFC 9112 section 6.3), nor Envoy one of a request that goes on but an upgrade.
func (r *head) isChunked(protocol string, last bool) bool {
	return !last && protocol == "HTTP/1.1" && !r.sized && !r.upgrade && r.method != "CONNECT"
}

// readHead reads the headers. What is wrong with them is for the record: two readers would take them for different requests.
func readHead(headers [][2]string) (r head, wrong string) {
	var methods, targets int
	for i := range headers {
		h := &headers[i]
		switch h[0] {
		case ":method":
			r.method = h[1]
			methods++
		case ":path":
			r.target = h[1]
			targets++
		case ":authority":
			r.authority = h[1]
			r.authorities++
		case "host":
			r.hosts++
		case "content-type":
			r.grpc = r.grpc || isGRPC(h[1])
		case "content-length", "transfer-encoding":
			r.sized = true
		case "upgrade":
			r.upgrade = true
		}
	}
	if methods > 1 || targets > 1 || r.authorities > 1 {
		return r, "a pseudo-header is repeated"
	}
	if !match.ValidAuthority(r.authority) {
		return r, "the authority is not a host with at most a port"
	}
	if r.method == "CONNECT" && r.target == "" {
		r.target = r.authority // RFC 9110 section 9.3.6: a CONNECT has no path
	}
	return r, ""
}

func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || strings.IndexByte("+;-", rest[0]) >= 0)
}
