package rls

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/palisade-mesh/palisade/filters/wire"
)

// Path is the method's.
const Path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

// Keys of a descriptor's entries, besides the parts of a limit's key. The first is LimitKey or DryRunKey, the last may be
// OverrideKey.
const (
	LimitKey    = "limit"    // a limit's name
	DryRunKey   = "dry-run"  // the same of one that only tries: it has counts of its own
	MissingKey  = "missing"  // instead of the parts, for requests that lack one
	OverrideKey = "override" // the patterns of the override that is for the request
)

// MissingValue is what MissingKey always has.
const MissingValue = "true"

// Field numbers of rls.proto and ratelimit.proto (envoy/extensions/common/ratelimit/v3).
const (
	requestDomain        = 1
	requestDescriptors   = 2
	descriptorEntries    = 1
	descriptorHitsAddend = 3
	entryKey             = 1
	entryValue           = 2
	wrapperValue         = 1 // google.protobuf.UInt64Value
)

// frameHeader is the size of what precedes a message: whether it is compressed, and its length.
const frameHeader = 5

// Request is a RateLimitRequest being put together. Its memory is used again.
type Request struct {
	message []byte // framed
	entries []byte // of the descriptor at hand, encoded
	value   []byte // of the entry at hand
	values  int    // that it has
	count   int
}

// Reset begins a request.
func (r *Request) Reset(domain string) {
	r.message = append(r.message[:0], 0, 0, 0, 0, 0) // the frame's header
	r.message = wire.AppendBytes(r.message, requestDomain, domain)
	r.count = 0
}

// Begin begins a descriptor, which may be begun again until it ends.
func (r *Request) Begin(key, limit string) {
	r.entries, r.value, r.values = r.entries[:0], r.value[:0], 0
	r.Entry(key, limit)
}

// Value is one more value of the entry at hand.
func (r *Request) Value(text string) {
	if r.values > 0 {
		r.value = append(r.value, ',')
	}
	r.value = AppendEscaped(r.value, text)
	r.values++
}

// EndEntry ends an entry.
func (r *Request) EndEntry(key string) {
	r.value = shortened(r.value)
	r.entries = wire.AppendSize(r.entries, descriptorEntries, wire.SizeBytes(entryKey, len(key))+wire.SizeBytes(entryValue, len(r.value)))
	r.entries = wire.AppendBytes(r.entries, entryKey, key)
	r.entries = wire.AppendBytes(r.entries, entryValue, r.value)
	r.value, r.values = r.value[:0], 0
}

// Entry is an entry with one value.
func (r *Request) Entry(key, value string) {
	r.Value(value)
	r.EndEntry(key)
}

// End ends a descriptor, of which so many hits are to be counted; with 0, whether it is over its limit is asked.
func (r *Request) End(hits uint64) {
	r.message = appendDescriptor(r.message, r.entries, hits)
	r.count++
}

// Entries are the descriptor's at hand, until the next one begins.
func (r *Request) Entries() []byte { return r.entries }

// Add adds a descriptor with the entries of an earlier one.
func (r *Request) Add(entries string, hits uint64) {
	r.message = appendDescriptor(r.message, entries, hits)
	r.count++
}

func appendDescriptor[T string | []byte](b []byte, entries T, hits uint64) []byte {
	wrapper := wire.SizeInteger(wrapperValue, hits)
	b = wire.AppendSize(b, requestDescriptors, len(entries)+wire.SizeBytes(descriptorHitsAddend, wrapper))
	b = append(b, entries...)
	b = wire.AppendSize(b, descriptorHitsAddend, wrapper)
	return wire.AppendInteger(b, wrapperValue, hits)
}

// Len is how many descriptors it has.
func (r *Request) Len() int { return r.count }

// Frame is the request for the wire, until the next one.
func (r *Request) Frame() []byte {
	r.message[0] = 0 // not compressed
	binary.BigEndian.PutUint32(r.message[1:], uint32(len(r.message)-frameHeader))
	return r.message
}

// Escape is the value of an entry with these values, as Value and EndEntry write it.
func Escape(values ...string) string {
	var b []byte
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendEscaped(b, v)
	}
	return string(shortened(b))
}

const (
	longest     = 256  // bytes of a value that is sent as it is
	longestList = 1024 // bytes of an entry's values together, as they are sent
)

// shortened bounds what a client, by many values, makes the service remember. A long list is its SHA-256, too, which is not that
// of any value.
func shortened(list []byte) []byte {
	if len(list) <= longestList {
		return list
	}
	sum := sha256.Sum256(list)
	return hex.AppendEncode(append(list[:0], "%list:sha256:"...), sum[:])
}

// AppendEscaped writes a value so that it means itself only. The service makes its counter's name of a descriptor's keys and
// values, joined by "_", so a client that chooses a value with one in it could share somebody else's counter; a "*"
// at the end is a wildcard in its configuration. A long value is its SHA-256, which no escaped value looks like.
func AppendEscaped(b []byte, text string) []byte {
	if len(text) > longest {
		sum := sha256.Sum256([]byte(text))
		return hex.AppendEncode(append(b, "%sha256:"...), sum[:])
	}
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(text); i++ {
		if c := text[i]; isPlain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

func isPlain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '-', '.', '/', ':', '@', '~', '+', '=':
		return true
	}
	return false
}
