// Package identity finds out which workload sent a request: the one that the client's certificate names, or, where
// a trusted proxy stands between, the one that the proxy saw.
package identity

import (
	"strings"

	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/peercert"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/filters/spiffe"
	"github.com/palisade-mesh/palisade/filters/xfcc"
)

// Resolver finds out who sends the requests of one worker. It remembers certificates, not connections, and is not
// safe for concurrent use. The zero Resolver goes by the client's certificate.
type Resolver struct {
	// XFCC is whether the header x-forwarded-client-cert of the peers in From is believed.
	XFCC bool
	// From are the workloads whose header is believed.
	From []match.String

	known  [slots]certificate
	digest bool // the last request had a certificate: ask for its digest first
}

// slots is how many certificates are remembered, of at most a few hundred bytes each.
const slots = 64

// certificate is what is known of one, by its SHA-256 digest.
type certificate struct {
	digest string // "": the slot is free
	id     spiffe.ID
}

// forwardedError is a trusted proxy that says in a way which cannot be read whom it serves.
type forwardedError struct{ err error }

func (e *forwardedError) Error() string {
	return "identity: the header of a trusted proxy cannot be read: " + e.err.Error()
}

func (e *forwardedError) Unwrap() error { return e.err }

// Workload is who sent the request, the zero ID for nobody. An error means that it cannot be told.
func (v *Resolver) Workload(r *request.Request) (spiffe.ID, error) {
	peer, digest, err := v.peer(r)
	if err != nil || !v.XFCC || !v.trusts(peer) {
		return peer, err // whatever its header says
	}
	peer, _, err = v.forwarded(r, digest)
	return peer, err
}

// Certificate is the SHA-256 digest, in hexadecimal digits, of the certificate that the request's sender showed, a
// workload's or not; "" if there was none. An error means that it cannot be told.
func (v *Resolver) Certificate(r *request.Request) (string, error) {
	if v.XFCC {
		peer, digest, err := v.peer(r)
		if err != nil {
			return "", err
		}
		if v.trusts(peer) {
			_, digest, err = v.forwarded(r, digest)
			return digest, err
		}
	}
	digest, _, err := r.Property(request.PropertyPeerDigest)
	return digest, err
}

// peer is the workload that the client's certificate names: the certificate must have exactly one URI, which is a
// SPIFFE ID with a path (SPIFFE X509-SVID, section 2). Envoy's attribute has the first URI only, so the certificate
// itself is read, once for each digest. A host without these attributes has to be believed that there is one.
func (v *Resolver) peer(r *request.Request) (id spiffe.ID, digest string, err error) {
	uri := ""
	if !v.digest { // without a certificate one question is enough
		found := false
		uri, found, err = r.Property(request.PropertyPeerURISAN)
		if err != nil || !found || uri == "" {
			return spiffe.ID{}, "", err
		}
	}
	digest, found, err := r.Property(request.PropertyPeerDigest)
	if err != nil {
		return spiffe.ID{}, "", err
	}
	if !found || digest == "" {
		if v.digest {
			v.digest = false
			uri, _, err = r.Property(request.PropertyPeerURISAN)
		}
		return parse(uri), "", err
	}
	v.digest = true
	slot := &v.known[hash(digest)%slots]
	if slot.digest != digest {
		id, err := read(r)
		if err != nil {
			return spiffe.ID{}, "", err
		}
		// Cloned, because what a request says is overwritten by the next.
		*slot = certificate{digest: strings.Clone(digest), id: id.Clone()}
	}
	return slot.id, digest, nil
}

// read reads the certificate itself.
func read(r *request.Request) (spiffe.ID, error) {
	pem, found, err := r.Property(peercert.Property)
	if err != nil {
		return spiffe.ID{}, err
	}
	if !found || pem == "" {
		uri, _, err := r.Property(request.PropertyPeerURISAN)
		return parse(uri), err
	}
	uris, err := peercert.URISANs(pem)
	if err != nil || len(uris) != 1 {
		return spiffe.ID{}, nil // a certificate that is not a workload's
	}
	return parse(uris[0]), nil
}

func parse(uri string) spiffe.ID {
	id, err := spiffe.Parse(uri)
	if err != nil {
		return spiffe.ID{}
	}
	return id
}

// forwarded follows the header from its end, where the nearest proxy writes, as long as who wrote is trusted to. It gives
// the first client that is not, and the digest of that one's certificate.
func (v *Resolver) forwarded(r *request.Request, digest string) (client spiffe.ID, hash string, err error) {
	header := ""
	for _, h := range r.Headers() {
		if h[0] == xfcc.Header {
			if header != "" {
				header += ","
			}
			header += h[1]
		}
	}
	if header == "" {
		return spiffe.ID{}, "", nil // the proxy's client has shown no certificate
	}
	elements, err := xfcc.Parse(header)
	if err != nil {
		return spiffe.ID{}, "", &forwardedError{err}
	}
	// With APPEND_FORWARD this Envoy itself has written last, on the proxy.
	if last := len(elements) - 1; digest != "" && strings.EqualFold(elements[last].Hash, digest) {
		elements = elements[:last]
	}
	for i := len(elements) - 1; i >= 0; i-- {
		client = spiffe.ID{}
		if len(elements[i].URIs) == 1 {
			client = parse(elements[i].URIs[0])
		}
		if !v.trusts(client) {
			return client, elements[i].Hash, nil
		}
	}
	// The last one named is a proxy, too, and says of nobody that it serves them.
	return spiffe.ID{}, "", nil
}

func (v *Resolver) trusts(id spiffe.ID) bool { return !id.IsZero() && match.Any(v.From, id.Name()) }

// hash is FNV-1a of the start of a digest, which is evenly spread already.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(s) && i < 8; i++ {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
