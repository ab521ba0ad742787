package ratelimit

import (
	"bytes"
	"strconv"
	"time"
)

// show writes the response headers that tell a client where it stands, each as name, NUL, value, NUL, so that they can be
// kept as one value until the response. They are of the limit that refused the request, or of all that are enforced.
func (l *Limiter) show(refused *charge) []byte {
	b := l.shown[:0]
	if h := l.config.Headers; h == HeadersIETF || h == HeadersBoth {
		b = l.list(append(b, "ratelimit-policy\x00"...), refused, (*limit).appendPolicy)
		b = l.list(append(b, "\x00ratelimit\x00"...), refused, (*limit).appendLevel)
		b = append(b, 0)
	}
	if h := l.config.Headers; h == HeadersX || h == HeadersBoth {
		k := refused
		if k == nil {
			k = l.counter.nearest()
		}
		b = strconv.AppendInt(append(b, "x-ratelimit-limit\x00"...), k.rate.ceiling(k.global), 10)
		b = strconv.AppendInt(append(b, "\x00x-ratelimit-remaining\x00"...), k.level.Remaining, 10)
		b = strconv.AppendInt(append(b, "\x00x-ratelimit-reset\x00"...), k.level.Full, 10)
		b = append(b, 0)
	}
	l.shown = b
	return b
}

// NextHeader splits the first header off what show has written.
func NextHeader(shown []byte) (name, value, rest []byte, ok bool) {
	name, rest, ok = bytes.Cut(shown, []byte{0})
	if !ok {
		return nil, nil, nil, false
	}
	value, rest, ok = bytes.Cut(rest, []byte{0})
	return name, value, rest, ok
}

// list writes an item for each limit (RFC 9651 section 3.1).
func (l *Limiter) list(b []byte, refused *charge, item func(*limit, []byte, *charge) []byte) []byte {
	first := true
	for i := range l.counter.n {
		k := &l.counter.charges[i]
		if !k.shown() || refused != nil && k != refused {
			continue
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = item(&l.limits[k.tag], b, k)
	}
	return b
}

// appendPolicy writes a quota policy (draft-ietf-httpapi-ratelimit-headers-10 section 3). A window that is no whole number
// of seconds cannot be said.
func (m *limit) appendPolicy(b []byte, k *charge) []byte {
	if k.rate == &m.rate.Rate {
		return append(b, m.policy...)
	}
	return m.appendPolicyOf(b, k.rate)
}

func (m *limit) appendPolicyOf(b []byte, r *Rate) []byte {
	b = strconv.AppendInt(append(append(b, m.quoted...), ";q="...), r.Requests, 10)
	if r.Per%time.Second == 0 {
		b = strconv.AppendInt(append(b, ";w="...), int64(r.Per/time.Second), 10)
	}
	return b
}

// appendLevel writes what is left (section 4).
func (m *limit) appendLevel(b []byte, k *charge) []byte {
	b = strconv.AppendInt(append(append(b, m.quoted...), ";r="...), k.level.Remaining, 10)
	return strconv.AppendInt(append(b, ";t="...), k.level.Full, 10)
}

// appendQuoted writes a structured field's string, which has printable ASCII only (RFC 9651 section 3.3.3).
func appendQuoted(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r > '~':
			b = append(b, '_')
		default:
			b = append(b, byte(r))
		}
	}
	return append(b, '"')
}
