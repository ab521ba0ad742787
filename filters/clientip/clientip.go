// Package clientip finds out from where a request came.
package clientip

import (
	"errors"
	"strings"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/ipblock"
	"github.com/palisade-mesh/palisade/filters/request"
)

// MaxTrustedHops bounds remoteIP.trustedHops: more proxies in a row than anybody has.
const MaxTrustedHops = 32

// DecodeTrustedHops reads the `remoteIP` object of a filter's configuration: {trustedHops: 1}.
func DecodeTrustedHops(n config.Node) int {
	return int(n.Object("trustedHops").Get("trustedHops").Int(0, 0, MaxTrustedHops))
}

// Errors of an Address that cannot be told, though the host answered.
var (
	ErrNone   = errors.New("the proxy gives no IP address")
	ErrHeader = errors.New("the proxy has the address from x-forwarded-for, which no hop is trusted to write")
	ErrHops   = errors.New("x-forwarded-for has no address of this many trusted hops away")
)

// Address is one of a request's addresses.
type Address struct {
	Text string // for records
	IP   ipblock.Address
	Err  error // it cannot be told: one of this package's, or the host did not say
}

// Read reads an address that the host has as a property.
func Read(r *request.Request, property []string) Address {
	text, found, err := r.Property(property)
	switch {
	case err != nil:
		return Address{Err: err}
	case !found:
		return Address{Err: ErrNone}
	case isFromHeader(text):
		return Address{Text: request.WithoutPort(text), Err: ErrHeader}
	}
	a := parse(text)
	a.Text = request.WithoutPort(text)
	return a
}

// Remote is who is at the other end of so many trusted proxies; with 0 hops, who is connected.
func Remote(r *request.Request, hops int) Address {
	if hops == 0 {
		return Read(r, request.PropertySourceAddress)
	}
	text, err := forwardedFor(r, hops)
	if err != nil {
		return Address{Text: text, Err: err}
	}
	return parse(text)
}

func parse(text string) Address {
	a := Address{Text: text}
	var ok bool
	if a.IP, ok = ipblock.ParseAddress(text); !ok {
		a.Err = ErrNone
	}
	return a
}

// isFromHeader tells whether Envoy has an address from x-forwarded-for, as it does by default (use_remote_address:
// false) of whatever the client sends: such an address has no port.
func isFromHeader(address string) bool { return strings.HasSuffix(address, ":0") }

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
	return "", ErrHops
}
