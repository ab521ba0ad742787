package plugin

import (
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
)

// flight is what is kept of an admitted request until its response, or its end.
type flight struct {
	headers []byte // for the response, as ratelimit.NextHeader reads them
	owed    []ratelimit.Owed
	tickets []ratelimit.Ticket
}

// flights finds flights by stream: an open-addressed table with linear probing. What is removed is used again, with its
// memory, by the next that is added.
type flights struct {
	table []flightSlot // a power of two, at most half of it in use
	used  int
	shift int // of a hash, so that it is an index
	free  []*flight
}

type flightSlot struct {
	stream host.StreamID
	flight *flight // nil: the slot is free
}

const firstFlights = 64

// add keeps a request, which has no flight yet.
func (f *flights) add(stream host.StreamID) *flight {
	if 2*f.used >= len(f.table) {
		f.grow()
	}
	l := f.recycled()
	f.put(stream, l)
	return l
}

func (f *flights) recycled() *flight {
	last := len(f.free) - 1
	if last < 0 {
		return &flight{}
	}
	l := f.free[last]
	f.free = f.free[:last]
	return l
}

func (f *flights) put(stream host.StreamID, l *flight) {
	at := f.home(stream)
	for f.table[at].flight != nil {
		at = f.after(at)
	}
	f.table[at] = flightSlot{stream, l}
	f.used++
}

// find is a stream's flight, nil if it has none.
func (f *flights) find(stream host.StreamID) *flight {
	if at := f.index(stream); at >= 0 {
		return f.table[at].flight
	}
	return nil
}

// index is where a stream is, -1 if it is not.
func (f *flights) index(stream host.StreamID) int {
	if f.used == 0 {
		return -1
	}
	for at := f.home(stream); f.table[at].flight != nil; at = f.after(at) {
		if f.table[at].stream == stream {
			return at
		}
	}
	return -1
}

// remove forgets a stream's flight. Those behind it move up, so that they are still found.
func (f *flights) remove(stream host.StreamID) {
	hole := f.index(stream)
	if hole < 0 {
		return
	}
	l := f.table[hole].flight
	l.headers, l.owed, l.tickets = l.headers[:0], l.owed[:0], l.tickets[:0]
	f.free = append(f.free, l)
	f.used--
	mask := len(f.table) - 1
	for at := f.after(hole); f.table[at].flight != nil; at = f.after(at) {
		// It stays if its home is behind the hole: it would not be found before it.
		if fromHome, fromHole := (at-f.home(f.table[at].stream))&mask, (at-hole)&mask; fromHome >= fromHole {
			f.table[hole] = f.table[at]
			hole = at
		}
	}
	f.table[hole] = flightSlot{}
}

func (f *flights) grow() {
	old := f.table
	f.table, f.used, f.shift = make([]flightSlot, max(2*len(old), firstFlights)), 0, 32
	for n := len(f.table); n > 1; n /= 2 {
		f.shift--
	}
	for _, s := range old {
		if s.flight != nil {
			f.put(s.stream, s.flight)
		}
	}
}

// home is where a stream belongs. Streams are numbered one after the other; this spreads them.
func (f *flights) home(stream host.StreamID) int {
	const golden = 0x9e3779b9 // 2^32 over the golden ratio
	return int(uint32(stream) * golden >> f.shift)
}

func (f *flights) after(at int) int { return (at + 1) & (len(f.table) - 1) }
