package authz

import (
	"errors"
	"strings"

	"github.com/palisade-mesh/palisade/filters/ipblock"
	"github.com/palisade-mesh/palisade/filters/request"
)

// maxTrustedHops bounds remoteIP.trustedHops: more proxies in a row than anybody has.
const maxTrustedHops = 32

// whichAddress is one of the addresses that rules go by.
type whichAddress uint8

const (
	addressSource      whichAddress = iota // who is connected, as Envoy sees it
	addressRemote                          // who is at the other end of the trusted proxies
	addressDestination                     // where the connection was accepted
	addresses
)

var (
	errAddress = errors.New("the proxy gives no IP address")
	errHeader  = errors.New("the proxy has the address from x-forwarded-for, which no hop is trusted to write")
	errHops    = errors.New("x-forwarded-for has no address of this many trusted hops away")
)

// address is one of the request's addresses, found out when it is first asked for.
type address struct {
	known bool
	text  string // for records
	ip    ipblock.Address
	err   error
}

// isAddress tells whether an address of the request is in one of some blocks.
func (s *subject) isAddress(blocks []ipblock.Block, which whichAddress) (text string, is bool, err error) {
	a := s.address(which)
	if a.err != nil {
		return a.text, false, a.err
	}
	for i := range blocks {
		if blocks[i].Match(a.ip) {
			return a.text, true, nil
		}
	}
	return a.text, false, nil
}

// remoteIP is the remote address for records: if it cannot be told, who is connected.
func (s *subject) remoteIP() string {
	if a := s.address(addressRemote); a.err == nil {
		return a.text
	}
	return s.address(addressSource).text
}

func (s *subject) address(which whichAddress) *address {
	a := &s.addresses[which]
	if a.known {
		return a
	}
	a.known = true
	switch which {
	case addressSource:
		a.read(s.request, request.PropertySourceAddress)
	case addressDestination:
		a.read(s.request, request.PropertyDestinationAddress)
	default:
		if s.policy.config.TrustedHops == 0 {
			*a = *s.address(addressSource)
			break
		}
		a.text, a.err = forwardedFor(s.request, s.policy.config.TrustedHops)
		if a.err == nil {
			a.parse(a.text)
		}
	}
	return a
}

func (a *address) read(r *request.Request, property []string) {
	text, found, err := r.Property(property)
	switch {
	case err != nil:
		a.err = err
	case !found:
		a.err = errAddress
	case isFromHeader(text):
		a.err, a.text = errHeader, request.WithoutPort(text)
	default:
		a.parse(text)
		a.text = request.WithoutPort(text)
	}
}

// isFromHeader tells whether Envoy has an address from x-forwarded-for, as it does by default (use_remote_address:
// false) of whatever the client sends: such an address has no port.
func isFromHeader(address string) bool { return strings.HasSuffix(address, ":0") }

func (a *address) parse(text string) {
	var ok bool
	if a.ip, ok = ipblock.ParseAddress(text); !ok {
		a.err = errAddress
	}
}

// forwardedFor is the entry of x-forwarded-for that is so many from the right: each trusted proxy has appended
// whom it saw, and what is further left anybody may have written.
func forwardedFor(r *request.Request, hops int) (string, error) {
	headers := r.Headers()
	for i := len(headers) - 1; i >= 0; i-- {
		if headers[i][0] != "x-forwarded-for" {
			continue
		}
		for value, more := headers[i][1], true; more; hops-- {
			entry := value
			comma := strings.LastIndexByte(value, ',')
			if more = comma >= 0; more {
				value, entry = value[:comma], value[comma+1:]
			}
			if hops == 1 {
				return strings.Trim(entry, " \t"), nil
			}
		}
	}
	return "", errHops
}
