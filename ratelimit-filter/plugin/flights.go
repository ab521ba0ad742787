package plugin

import (
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
)

// flight is what is kept of an admitted request until its response, or its end.
type flight struct {
	stream  host.StreamID // 0: it is free
	headers []byte        // for the response, as ratelimit.NextHeader reads them
	owed    []ratelimit.Owed
	tickets []ratelimit.Ticket
}

// flights finds flights by stream: an open-addressed table with linear probing, whose entries keep their memory.
type flights struct {
	table []flight // a power of two, at most half of it in use
	used  int
	shift int // of a hash, so that it is an index
}

const firstFlights = 64

// add keeps a request, which has none yet.
func (f *flights) add(stream host.StreamID) *flight {
	if 2*f.used >= len(f.table) {
		f.grow()
	}
	at := f.index(stream)
	for f.table[at].stream != 0 {
		at = f.after(at)
	}
	f.used++
	f.table[at].stream = stream
	return &f.table[at]
}

// find is a stream's flight, nil if it has none.
func (f *flights) find(stream host.StreamID) *flight {
	if f.used == 0 {
		return nil
	}
	for at := f.index(stream); f.table[at].stream != 0; at = f.after(at) {
		if f.table[at].stream == stream {
			return &f.table[at]
		}
	}
	return nil
}

// remove forgets a stream's flight. Those behind it move up, so that they are still found.
func (f *flights) remove(stream host.StreamID) {
	gone := f.find(stream)
	if gone == nil {
		return
	}
	gone.clear()
	f.used--
	hole := f.index(stream)
	for &f.table[hole] != gone {
		hole = f.after(hole)
	}
	for at := f.after(hole); f.table[at].stream != 0; at = f.after(at) {
		// It may move unless where it belongs is between the hole and where it is.
		home := f.index(f.table[at].stream)
		if (at-home)&(len(f.table)-1) >= (at-hole)&(len(f.table)-1) {
			f.table[hole], f.table[at] = f.table[at], f.table[hole]
			hole = at
		}
	}
}

func (l *flight) clear() {
	l.stream, l.headers, l.owed, l.tickets = 0, l.headers[:0], l.owed[:0], l.tickets[:0]
}

func (f *flights) grow() {
	old := f.table
	f.table, f.used = make([]flight, max(2*len(old), firstFlights)), 0
	f.shift = 32
	for n := len(f.table); n > 1; n /= 2 {
		f.shift--
	}
	for i := range old {
		if old[i].stream != 0 {
			*f.add(old[i].stream) = old[i]
		}
	}
}

func (f *flights) index(stream host.StreamID) int {
	const golden = 0x9e3779b9 // streams are numbered: spread neighbours
	return int(uint32(stream) * golden >> f.shift)
}

func (f *flights) after(at int) int { return (at + 1) & (len(f.table) - 1) }
