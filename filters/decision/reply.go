package decision

import (
	"strconv"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// Format is the form of a refusal's body.
type Format uint8

// The formats.
const (
	Problem Format = iota // application/problem+json, RFC 9457
	Text
	Empty
)

// Response is how refusals are answered: the `response` object of every filter's configuration.
type Response struct {
	Format  Format
	Explain bool // adds policy and reason; off by default, because it tells an attacker what to change
}

// DecodeResponse reads `response: {format, explain}`.
func DecodeResponse(n config.Node) Response {
	o := n.Object("format", "explain")
	r := Response{Explain: o.Get("explain").Bool(false)}
	switch o.Get("format").OneOf("problem", "problem", "text", "none") {
	case "text":
		r.Format = Text
	case "none":
		r.Format = Empty
	}
	return r
}

// Reply is what a refused caller gets.
type Reply struct {
	Status  uint32
	GRPC    int32 // status code for a gRPC caller, -1 for others
	Headers [][2]string
	Body    []byte
}

// gRPC status codes (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).
const (
	grpcInternal          = 13
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
)

// Reply composes the answer to a denied request. detail is said to everybody; policy and reason only if
// Explain is set. Of a gRPC caller's, Envoy makes the body grpc-message, so that is plain text.
func (r Response) Reply(d Decision, detail string, grpc bool, headers ...[2]string) Reply {
	title, code := status(d.Status)
	reply := Reply{Status: d.Status, GRPC: -1, Headers: headers}
	if grpc {
		reply.GRPC = code
		if r.Format != Empty {
			reply.Body = []byte(r.text(d, detail))
		}
		return reply
	}
	switch r.Format {
	case Problem:
		b := append(make([]byte, 0, 256), `{"type":`...)
		b = jsonstrict.AppendString(b, problemType(d.Status))
		b = append(b, `,"title":`...)
		b = jsonstrict.AppendString(b, title)
		b = append(b, `,"status":`...)
		b = strconv.AppendUint(b, uint64(d.Status), 10)
		b = appendMember(b, "detail", detail)
		if r.Explain {
			b = appendMember(b, "policy", d.Policy)
			b = appendMember(b, "rule", d.Rule)
			b = appendMember(b, "reason", d.Reason)
		}
		reply.Body = append(b, '}')
		reply.Headers = append(reply.Headers, [2]string{"content-type", "application/problem+json"})
	case Text:
		reply.Body = []byte(r.text(d, detail) + "\n")
		reply.Headers = append(reply.Headers, [2]string{"content-type", "text/plain; charset=utf-8"})
	}
	return reply
}

func (r Response) text(d Decision, detail string) string {
	if r.Explain && d.Reason != "" {
		return detail + ": " + d.Reason
	}
	return detail
}

// problemType is a registered type of problem (RFC 9457 section 4.2), of which a status without more to say has none.
// quota-exceeded is from draft-ietf-httpapi-ratelimit-headers.
func problemType(code uint32) string {
	if code == 429 {
		return "https://iana.org/assignments/http-problem-types#quota-exceeded"
	}
	return "about:blank"
}

func status(code uint32) (title string, grpc int32) {
	switch code {
	case 400:
		return "Bad Request", grpcInternal // as gRPC maps HTTP 400
	case 401:
		return "Unauthorized", grpcUnauthenticated
	case 403:
		return "Forbidden", grpcPermissionDenied
	case 413:
		return "Content Too Large", grpcResourceExhausted
	case 429:
		return "Too Many Requests", grpcResourceExhausted
	case 500:
		return "Internal Server Error", grpcUnavailable
	}
	// Statuses that only a rule's author chooses: what is the client's to change is said to be its own.
	if code >= 400 && code < 500 {
		return "Request Refused", grpcPermissionDenied
	}
	return "Service Unavailable", grpcUnavailable
}

func appendMember(b []byte, name, value string) []byte {
	return jsonstrict.AppendString(append(append(append(b, `,"`...), name...), `":`...), value)
}
