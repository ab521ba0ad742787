// Package ipblock matches IP addresses against blocks of them.
//
// Package net/netip does as much, but its parser, which keeps zones in a global table, adds more than 100 kB to a Wasm
// module. The tests hold this to it.
package ipblock

import (
	"errors"
	"strings"
)

// Errors of Parse.
var (
	ErrSyntax = errors.New(`is neither an IP address nor a block such as "10.0.0.0/8" or "2001:db8::/32"`)
	ErrZone   = errors.New("has a zone, which means something on one machine only")
	ErrMapped = errors.New("is a block around IPv4 addresses written as IPv6; its prefix has to be at least 96 bits")
)

// Block is a block of addresses. The zero Block has none.
type Block struct {
	first Address
	bits  int
}

// Parse reads a block, or an address as the block of it alone. Bits beyond the prefix are ignored, as Envoy and Istio do:
// "10.1.2.3/8" is "10.0.0.0/8". An IPv4 block may be written in its IPv6 form.
func Parse(text string) (Block, error) {
	if strings.IndexByte(text, '%') >= 0 {
		return Block{}, ErrZone
	}
	text, prefix, hasPrefix := strings.Cut(text, "/")
	address, ok := parse(text)
	if !ok {
		return Block{}, ErrSyntax
	}
	longest := 128
	if strings.IndexByte(text, ':') < 0 {
		longest = 32
	}
	bits := longest
	if hasPrefix {
		if bits, ok = decimal(prefix, longest); !ok {
			return Block{}, ErrSyntax
		}
	}
	bits += 128 - longest
	if address.is4() && bits < mappedBits {
		return Block{}, ErrMapped
	}
	return Block{address.masked(bits), bits}, nil
}

// Match tells whether the block has an address. As in Envoy, no IPv6 block has an IPv4 address: "::/0" is all of IPv6 and
// nothing else.
func (b Block) Match(a Address) bool {
	return a.valid && a.is4() == b.first.is4() && a.masked(b.bits) == b.first
}
