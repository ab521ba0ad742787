package ipblock

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// Address is an IP address. IPv4 addresses are kept in their IPv6 form, so both forms of one are equal. The zero Address is
// none.
type Address struct {
	high, low uint64
	valid     bool
}

// ParseAddress reads an address as Envoy gives it, "1.2.3.4:80" or "[::1]:80", or without a port. A zone is left out. It is
// false for what is no IP address, such as the path of a Unix socket.
func ParseAddress(text string) (Address, bool) {
	host, ok := cutPort(text)
	if !ok {
		return Address{}, false
	}
	if unscoped, zone, found := strings.Cut(host, "%"); found {
		if zone == "" || strings.ContainsAny(zone, "[]%") || strings.IndexByte(unscoped, ':') < 0 {
			return Address{}, false
		}
		host = unscoped
	}
	return parse(host)
}

// mapped precedes an IPv4 address in its IPv6 form, ::ffff:0:0/96 (RFC 4291 section 2.5.5.2).
const (
	mapped     = 0xffff
	mappedBits = 96
)

// Is4 tells whether it is an IPv4 address, in either form.
func (a Address) Is4() bool { return a.is4() }

// Masked is the first address of the block of so many bits that it is in: bits4 for IPv4, bits6 for IPv6.
func (a Address) Masked(bits4, bits6 int) Address {
	if a.is4() {
		return a.masked(mappedBits + bits4)
	}
	return a.masked(bits6)
}

// AppendBytes appends the sixteen bytes of its IPv6 form.
func (a Address) AppendBytes(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, a.high), a.low)
}

// String is the address in full, "192.0.2.1" or "2001:db8:0:0:0:0:0:1".
func (a Address) String() string {
	if a.is4() {
		b := make([]byte, 0, 15)
		for shift := 24; shift >= 0; shift -= 8 {
			b = append(strconv.AppendUint(b, a.low>>shift&0xff, 10), '.')
		}
		return string(b[:len(b)-1])
	}
	b := make([]byte, 0, 39)
	for _, half := range [2]uint64{a.high, a.low} {
		for shift := 48; shift >= 0; shift -= 16 {
			b = append(strconv.AppendUint(b, half>>shift&0xffff, 16), ':')
		}
	}
	return string(b[:len(b)-1])
}

func (a Address) is4() bool { return a.valid && a.high == 0 && a.low>>32 == mapped }

// masked is the first address of the block of this size. (A shift by 64 or more gives 0.)
func (a Address) masked(bits int) Address {
	if bits < 64 {
		a.high &= ^uint64(0) << (64 - bits)
		a.low = 0
		return a
	}
	a.low &= ^uint64(0) << (128 - bits)
	return a
}

// cutPort returns an address without brackets and port. One that has more than one colon and no brackets has no port.
func cutPort(text string) (string, bool) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		host, port, ok := strings.Cut(inner, "]")
		if ok && port != "" {
			port, ok = strings.CutPrefix(port, ":")
			ok = ok && isPort(port)
		}
		return host, ok && strings.IndexByte(host, ':') >= 0
	}
	host, port, found := strings.Cut(text, ":")
	if !found || strings.IndexByte(port, ':') >= 0 {
		return text, true
	}
	return host, isPort(port)
}

func isPort(text string) bool {
	_, ok := decimal(text, 0xffff)
	return ok
}

func parse(text string) (Address, bool) {
	if strings.IndexByte(text, ':') >= 0 {
		return parse6(text)
	}
	v4, ok := parse4(text)
	if !ok {
		return Address{}, false
	}
	return Address{low: mapped<<32 | v4, valid: true}, true
}

// parse4 reads four decimal numbers. Leading zeros are refused: to some they are octal.
func parse4(text string) (uint64, bool) {
	var address uint64
	for i := 0; i < 4; i++ {
		part, rest, more := strings.Cut(text, ".")
		n, ok := decimal(part, 0xff)
		if !ok || more != (i < 3) {
			return 0, false
		}
		address = address<<8 | uint64(n)
		text = rest
	}
	return address, true
}

// groups are how many 16-bit numbers make an IPv6 address.
const groups = 8

// parse6 reads the forms of RFC 4291 section 2.2.
func parse6(text string) (Address, bool) {
	var numbers [groups]uint64
	n, gap := 0, -1 // numbers so far, and of them those before "::"
	if rest, ok := strings.CutPrefix(text, "::"); ok {
		text, gap = rest, 0
	}
	for text != "" {
		part, rest, more := strings.Cut(text, ":")
		if !more && strings.IndexByte(part, '.') >= 0 {
			v4, ok := parse4(part)
			if !ok || n > groups-2 {
				return Address{}, false
			}
			numbers[n], numbers[n+1] = v4>>16, v4&0xffff
			n += 2
			break
		}
		number, ok := hexadecimal(part)
		if !ok || n == groups {
			return Address{}, false
		}
		numbers[n] = number
		n++
		if text = rest; !more {
			break
		}
		afterGap, isGap := strings.CutPrefix(text, ":")
		if isGap && gap >= 0 || text == "" {
			return Address{}, false
		}
		if isGap {
			gap, text = n, afterGap
		}
	}
	if gap < 0 && n != groups || gap >= 0 && n == groups {
		return Address{}, false
	}
	if gap >= 0 {
		copy(numbers[groups-n+gap:], numbers[gap:n])
		clear(numbers[gap : groups-n+gap])
	}
	a := Address{valid: true}
	for i, number := range numbers {
		if i < groups/2 {
			a.high = a.high<<16 | number
		} else {
			a.low = a.low<<16 | number
		}
	}
	return a, true
}

// decimal reads a number without sign and leading zeros.
func decimal(text string, highest int) (int, bool) {
	if text == "" || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	number := 0
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		if number = number*10 + int(text[i]-'0'); number > highest {
			return 0, false
		}
	}
	return number, true
}

// hexadecimal reads a number of one to four digits.
func hexadecimal(text string) (uint64, bool) {
	var number uint64
	for i := 0; i < len(text); i++ {
		digit, ok := ascii.Hex(text[i])
		if !ok {
			return 0, false
		}
		number = number<<4 | uint64(digit)
	}
	return number, len(text) >= 1 && len(text) <= 4
}
