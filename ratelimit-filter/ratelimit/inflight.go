package ratelimit

import (
	"encoding/binary"
	"errors"

	"github.com/palisade-mesh/palisade/filters/host"
)

// inFlight counts requests that are under way, for all workers together. In shared data, each worker has a count of its own
// for a key, and a limit goes by their sum. So what a worker held that has died can be told from what is still held: workers
// say every few seconds that they are there, and the counts of one that has been silent for long are taken away by
// whoever meets them at a limit.
type inFlight struct {
	slots slotNames

	worker  uint32 // who this is; 0: it has not held anything yet
	random  func([]byte) error
	tickets []Ticket // of the request at hand; memory for as many as there are limits
	late    []Ticket // that could not be given back yet
	slot    flights
	store   Store
	called  int64 // when the worker last said that it is there
	lost    int   // compare-and-swaps
}

// Ticket is a place among the requests in flight, to be given back when the request is over.
type Ticket struct {
	key    fingerprint
	worker uint32
	limit  int // index
}

// Limit is the index of the limit that it is of: concurrency limits come after those of rates.
func (t *Ticket) Limit() int { return t.limit }

// MaxInFlight is the highest limit.
const MaxInFlight = 1 << 24

const (
	flightSize      = 24 // key, worker, count
	flightsPerSlot  = 64 // keys times workers; eight times what is usual
	maxFlights      = flightsPerSlot * flightSize
	flightWorkerAt  = len(fingerprint{})
	flightCountAt   = flightWorkerAt + 4
	flightNamespace = namespace + "flights"
)

var errFlights = errors.New("too many keys have requests in flight")

// openInFlight shares the size and the secret of the buckets' table.
func openInFlight(t *table, random func([]byte) error, plugin string, limits int) inFlight {
	return inFlight{
		slots: newSlotNames(flightNamespace, plugin, t.slots.mask+1), random: random, tickets: make([]Ticket, 0, limits),
	}
}

// begin forgets the request before.
func (f *inFlight) begin(s Store) {
	f.store, f.tickets, f.lost = s, f.tickets[:0], 0
}

// acquire takes a place, unless highest are taken.
func (f *inFlight) acquire(key *fingerprint, highest int64, limit int) (admitted bool, err error) {
	for range maxSwaps {
		if err := f.introduce(); err != nil {
			return false, err
		}
		if err := f.slot.read(f.store, f.slots.of(key)); err != nil {
			return false, err
		}
		if !f.isFree(key, highest) {
			return false, nil
		}
		if !f.add(key) {
			return false, errFlights
		}
		err := f.slot.write(f.store, f.slots.of(key))
		if err == nil {
			f.tickets = append(f.tickets, Ticket{key: *key, worker: f.worker, limit: limit})
			return true, nil
		}
		if !errors.Is(err, host.ErrCAS) {
			return false, err
		}
		f.lost++
	}
	return false, errSwaps
}

// add counts one more in the slot that was read, if need be in the room of a worker that is dead.
func (f *inFlight) add(key *fingerprint) bool {
	return f.slot.add(key, f.worker) || f.slot.bury(f.store, f.worker) && f.slot.add(key, f.worker)
}

// look tells whether a place would be had.
func (f *inFlight) look(key *fingerprint, highest int64) (bool, error) {
	if err := f.slot.read(f.store, f.slots.of(key)); err != nil {
		return false, err
	}
	return f.isFree(key, highest), nil
}

// isFree tells whether the slot that was read has a place, if need be one of a worker that is dead.
func (f *inFlight) isFree(key *fingerprint, highest int64) bool {
	return f.slot.sum(key) < highest || f.slot.bury(f.store, f.worker) && f.slot.sum(key) < highest
}

// abandon gives back what the request at hand has taken.
func (f *inFlight) abandon() {
	f.release(f.tickets)
	f.tickets = f.tickets[:0]
}

// release gives places back. One that cannot be now, because the host fails, is kept for the next time.
func (f *inFlight) release(tickets []Ticket) {
	for i := range tickets {
		if !f.giveBack(&tickets[i]) {
			f.late = append(f.late, tickets[i])
		}
	}
}

// retry gives back what could not be before.
func (f *inFlight) retry() {
	left := f.late[:0]
	for i := range f.late {
		if !f.giveBack(&f.late[i]) {
			left = append(left, f.late[i])
		}
	}
	f.late = left
}

func (f *inFlight) giveBack(t *Ticket) bool {
	for range maxSwaps {
		if f.slot.read(f.store, f.slots.of(&t.key)) != nil {
			return false
		}
		if !f.slot.subtract(&t.key, t.worker) {
			return true // this worker was taken for dead
		}
		err := f.slot.write(f.store, f.slots.of(&t.key))
		if err == nil {
			return true
		}
		if !errors.Is(err, host.ErrCAS) {
			return false
		}
		f.lost++
	}
	return false
}

// flights is a copy of a slot, to be changed: entries of a key, a worker and how many it has in flight.
type flights struct {
	data [maxFlights]byte
	size int
	cas  uint32
}

func (l *flights) read(s Store, key string) (err error) {
	l.size, l.cas, err = readSlot(s, key, l.data[:], flightSize)
	return err
}

func (l *flights) write(s Store, key string) error {
	return s.SetSharedData(key, l.data[:l.size], l.cas)
}

// sum is how many a key has in flight.
func (l *flights) sum(key *fingerprint) (n int64) {
	for at := 0; at < l.size; at += flightSize {
		if l.is(at, key) {
			n += int64(l.count(at))
		}
	}
	return n
}

// add counts one more, unless there is no room for another entry.
func (l *flights) add(key *fingerprint, worker uint32) bool {
	at := l.find(key, worker)
	if at < 0 {
		if l.size == maxFlights {
			return false
		}
		at = l.size
		l.size += flightSize
		copy(l.data[at:], key[:])
		binary.LittleEndian.PutUint32(l.data[at+flightWorkerAt:], worker)
		binary.LittleEndian.PutUint32(l.data[at+flightCountAt:], 0)
	}
	binary.LittleEndian.PutUint32(l.data[at+flightCountAt:], l.count(at)+1)
	return true
}

// subtract counts one less. false: there is none.
func (l *flights) subtract(key *fingerprint, worker uint32) bool {
	at := l.find(key, worker)
	if at < 0 {
		return false
	}
	if n := l.count(at); n > 1 {
		binary.LittleEndian.PutUint32(l.data[at+flightCountAt:], n-1)
		return true
	}
	l.remove(at)
	return true
}

func (l *flights) remove(at int) {
	l.size -= flightSize
	copy(l.data[at:at+flightSize], l.data[l.size:])
}

func (l *flights) find(key *fingerprint, worker uint32) int {
	for at := 0; at < l.size; at += flightSize {
		if l.worker(at) == worker && l.is(at, key) {
			return at
		}
	}
	return -1
}

func (l *flights) is(at int, key *fingerprint) bool {
	return fingerprint(l.data[at:at+flightWorkerAt]) == *key
}

func (l *flights) worker(at int) uint32 {
	return binary.LittleEndian.Uint32(l.data[at+flightWorkerAt:])
}

func (l *flights) count(at int) uint32 { return binary.LittleEndian.Uint32(l.data[at+flightCountAt:]) }

// bury removes the entries of workers that are dead, and tells whether there were any. If nobody can be asked who is alive,
// nobody is dead.
func (l *flights) bury(s Store, self uint32) (found bool) {
	now := s.Monotonic() // before the roll is read: who calls after this is alive
	alive, err := readRoll(s)
	if err != nil {
		return false
	}
	for at := 0; at < l.size; {
		if w := l.worker(at); w == self || alive.has(w, now) {
			at += flightSize
			continue
		}
		l.remove(at)
		found = true
	}
	return found
}
