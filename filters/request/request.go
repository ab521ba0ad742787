// Package request is what policy sees of a request. It is lazy: what no rule asks for is not fetched
// from the host. Decisions are made on the whole header list, never on the first of repeated headers.
package request

import (
	"errors"
	"strings"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/spiffe"
)

// Source gives a request's raw parts. The host adapter, the tests' fake and the command line each have one. What it
// gives need not outlive the request; see host.Host.
type Source interface {
	// RequestHeaders are all headers in order, with the pseudo-headers, names in lower case.
	RequestHeaders() ([][2]string, error)
	// Property is an attribute such as {"connection", "mtls"}; found is false if the host has no such value.
	Property(path []string) (value []byte, found bool, err error)
}

// Shared is the Source of several filters that a request passes one after the other. They share the Request, too, so that what
// one has found out of it is not found out again.
type Shared interface {
	Source
	// Request is the request at hand, as the filters before have left it.
	Request() (*Request, error)
}

// Of is the request at hand: the Source's, if it is Shared, else it is loaded into own. An error is Load's.
func Of(source Source, own *Request) (*Request, error) {
	if s, ok := source.(Shared); ok {
		return s.Request()
	}
	return own, own.Load(source)
}

// The host's attributes that filters read.
var (
	PropertyPeerURISAN         = []string{"connection", "uri_san_peer_certificate"}
	PropertyPeerDigest         = []string{"connection", "sha256_peer_certificate_digest"}
	PropertyMTLS               = []string{"connection", "mtls"}
	PropertySourceAddress      = []string{"source", "address"}
	PropertyDestinationPort    = []string{"destination", "port"}
	PropertyDestinationAddress = []string{"destination", "address"} // where the connection was accepted
	PropertySNI                = []string{"connection", "requested_server_name"}
)

// Errors of Load, for requests that two readers would take for different ones.
var (
	ErrRepeated  = errors.New("request: a pseudo-header is repeated")
	ErrAuthority = errors.New("request: the authority is not a host with at most a port")
)

// Request is one request. It is not safe for concurrent use. A worker has one, into which it loads one request after the
// other; none of the strings that it gives may be kept for the next one, unless it is cloned.
type Request struct {
	source  Source
	headers [][2]string

	method, target, host string
	requestID            string
	grpc                 bool

	peer       spiffe.ID
	peerLoaded bool
	paths      paths
}

// paths are the forms of the path that were asked for last.
type paths struct {
	known         bool
	level         match.Normalization
	normal, other string
	err           error
}

// Load reads the headers into a new Request.
func Load(source Source) (*Request, error) {
	r := &Request{}
	if err := r.Load(source); err != nil {
		return nil, err
	}
	return r, nil
}

// Load reads the headers of another request. An error means that nothing can be decided about it.
func (r *Request) Load(source Source) error {
	headers, err := source.RequestHeaders()
	*r = Request{source: source, headers: headers}
	if err != nil {
		return err
	}
	var methods, targets, hosts int
	for i := range headers {
		h := &headers[i]
		name := h[0]
		if name == "" {
			continue
		}
		// By the first byte, because most headers are none of these.
		switch name[0] {
		case ':':
			switch name {
			case ":method":
				r.method = h[1]
				methods++
			case ":path":
				r.target = h[1]
				targets++
			case ":authority":
				r.host = h[1]
				hosts++
			}
		case 'c':
			if name == "content-type" {
				r.grpc = r.grpc || isGRPC(h[1])
			}
		case 'x':
			if name == "x-request-id" {
				r.requestID = h[1]
			}
		}
	}
	if methods > 1 || targets > 1 || hosts > 1 {
		return ErrRepeated
	}
	if !match.ValidAuthority(r.host) {
		return ErrAuthority
	}
	r.host = match.NormalHost(r.host)
	return nil
}

// SetHeaders gives a Request that was loaded the headers that it has now. IsRead tells of which it has to be loaded anew.
func (r *Request) SetHeaders(headers [][2]string) { r.headers = headers }

// IsRead tells whether Load reads a header, by its name in lower case.
func IsRead(name string) bool {
	return strings.HasPrefix(name, ":") || name == "content-type" || name == "x-request-id"
}

// Headers are all headers in order.
func (r *Request) Headers() [][2]string { return r.headers }

// Method is case-sensitive (RFC 9110 section 9.1).
func (r *Request) Method() string { return r.method }

// Target is the path with its query, as received.
func (r *Request) Target() string { return r.target }

// RawPath is the path without query and fragment, as received.
func (r *Request) RawPath() string { return match.CutQuery(r.target) }

// Paths are the path's normal form, and the other one in which some may read it, "" if there is none (match.OtherPath). With
// an error there may be the first of them.
func (r *Request) Paths(level match.Normalization) (normal, other string, err error) {
	p := &r.paths
	if !p.known || p.level != level {
		*p = paths{known: true, level: level}
		raw := r.RawPath()
		if p.normal, p.err = match.NormalPath(raw, level); p.err == nil {
			p.other, p.err = match.OtherPath(raw, level)
		}
	}
	return p.normal, p.other, p.err
}

// Host is the authority in lower case without a trailing dot, with its port if it has one.
func (r *Request) Host() string { return r.host }

// ID is the x-request-id, "" if there is none.
func (r *Request) ID() string { return r.requestID }

// IsGRPC tells whether the caller speaks gRPC.
func (r *Request) IsGRPC() bool { return r.grpc }

// IsCORSPreflight tells whether this is a preflight (Fetch standard, section 3.2.2), which a browser
// sends without credentials.
func (r *Request) IsCORSPreflight() bool {
	if r.method != "OPTIONS" {
		return false
	}
	origin, requested := false, false
	for i := range r.headers {
		switch r.headers[i][0] {
		case "origin":
			origin = true
		case "access-control-request-method":
			requested = true
		}
	}
	return origin && requested
}

// Header calls yield for each value of a header, in order. The name is in lower case.
func (r *Request) Header(name string, yield func(value string) bool) {
	for i := range r.headers {
		if r.headers[i][0] == name && !yield(r.headers[i][1]) {
			return
		}
	}
}

// Property reads an attribute of the host as text; found is false if there is no such value.
func (r *Request) Property(path []string) (value string, found bool, err error) {
	v, found, err := r.source.Property(path)
	// The bytes are the request's: nobody writes to them while it lasts.
	return unsafe.String(unsafe.SliceData(v), len(v)), found, err
}

// Peer is the workload that the mTLS peer certificate names, or the zero ID if there is no certificate or
// it does not carry a valid SPIFFE ID. An error means that the host did not say.
func (r *Request) Peer() (spiffe.ID, error) {
	if r.peerLoaded {
		return r.peer, nil
	}
	uri, found, err := r.Property(PropertyPeerURISAN)
	if err != nil {
		return spiffe.ID{}, err
	}
	r.peerLoaded = true
	if found {
		if id, err := spiffe.Parse(uri); err == nil {
			r.peer = id
		}
	}
	return r.peer, nil
}

// RemoteIP is the downstream address without its port, "" if the host does not say.
func (r *Request) RemoteIP() string {
	address, found, err := r.Property(PropertySourceAddress)
	if err != nil || !found {
		return ""
	}
	return WithoutPort(address)
}

// WithoutPort is an address as Envoy writes it, without the port and without an IPv6 address's brackets.
func WithoutPort(address string) string {
	if inside, ok := strings.CutPrefix(address, "["); ok {
		ip, _, _ := strings.Cut(inside, "]")
		return ip
	}
	if i := strings.LastIndexByte(address, ':'); i >= 0 && strings.IndexByte(address, ':') == i {
		return address[:i]
	}
	return address
}

func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
