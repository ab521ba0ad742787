package ratelimit

import (
	"encoding/binary"
	"errors"
	"strconv"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/ascii"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/siphash"
)

// Store is memory that all workers share, and their clock. host.Host has it.
type Store interface {
	SharedData(key string) (value []byte, cas uint32, found bool, err error)
	// SetSharedData is a compare-and-swap, with host.ErrCAS. Like Envoy's it creates a missing value whatever cas is.
	SetSharedData(key string, value []byte, cas uint32) error
	Monotonic() int64
}

// table keeps buckets in shared data. It is set-associative: a bucket's fingerprint says which slot is its, and a slot has
// room for entriesPerSlot. Shared data can be neither listed nor deleted, so the number of slots is the bound of the memory.
//
// A bucket that is full again is as good as none, so its room is taken first, and nothing is lost. Only if a whole slot is
// in use, the bucket goes that is nearest to full.
type table struct {
	k0, k1 uint64 // of fingerprints
	slots  slotNames
}

const (
	namespace      = "palisade.ratelimit\x00"
	entriesPerSlot = 16
	entrySize      = 24 // fingerprint, and when the bucket is full again
	slotSize       = entriesPerSlot * entrySize

	// usualPerSlot is how many buckets a slot has if there are as many as the table is meant for. One slot in 250
	// then has more than its room.
	usualPerSlot = 8
)

var (
	errSlot   = errors.New("the shared data is not the filter's")
	errSecret = errors.New("the workers could not agree on a key")
)

// fingerprint stands for a bucket's name: SipHash of 128 bits under a key that the workers share and show nobody. Nobody can
// look for names that meet in one slot, to have another's bucket forgotten, nor for two that are taken for one another.
type fingerprint [16]byte

// openTable finds the table of a plugin's name, so that buckets survive a new configuration. random fills bytes that
// nobody can guess.
func openTable(s Store, random func([]byte) error, plugin string, maxKeys int) (table, error) {
	secret, err := sharedSecret(s, random)
	if err != nil {
		return table{}, err
	}
	slots := uint64(1)
	for slots*usualPerSlot < uint64(maxKeys) {
		slots *= 2
	}
	t := table{
		k0: binary.LittleEndian.Uint64(secret[:]), k1: binary.LittleEndian.Uint64(secret[8:]),
		slots: newSlotNames(namespace+"slot", plugin, slots),
	}
	return t, nil
}

// sharedSecret is the key that the first worker has drawn.
func sharedSecret(s Store, random func([]byte) error) (secret [16]byte, err error) {
	const key = namespace + "secret"
	for range 2 {
		value, _, found, err := s.SharedData(key)
		if err != nil {
			return secret, err
		}
		if found {
			if len(value) != len(secret) {
				return secret, errSlot
			}
			copy(secret[:], value)
			return secret, nil
		}
		if err := random(secret[:]); err != nil {
			return secret, err
		}
		if err := s.SetSharedData(key, secret[:], host.CASAbsent); err != nil && !errors.Is(err, host.ErrCAS) {
			return secret, err
		}
	}
	return secret, errSecret
}

// fingerprint is that of a bucket's name.
func (t *table) fingerprint(name []byte) (f fingerprint) {
	low, high := siphash.Hash128(t.k0, t.k1, name)
	ascii.SetWord(f[:], 0, low)
	ascii.SetWord(f[:], 8, high)
	return f
}

// slotNames are the keys of a plugin's slots in shared data. There is a power of two of them.
type slotNames struct {
	mask   uint64
	key    []byte // of the slot at hand; the prefix stays
	prefix int
	slot   uint64 // at hand: a bucket that was read is written next
}

func newSlotNames(kind, plugin string, slots uint64) slotNames {
	key := strconv.AppendUint([]byte(kind+"\x00"+plugin+"\x00"), slots, 10)
	key = append(key, 0)
	return slotNames{mask: slots - 1, key: key, prefix: len(key), slot: slots}
}

// of is the name of a fingerprint's slot, until the next call.
func (n *slotNames) of(f *fingerprint) string {
	if slot := ascii.Word(f[:], 0) & n.mask; slot != n.slot {
		n.key, n.slot = strconv.AppendUint(n.key[:n.prefix], slot, 36), slot
	}
	return unsafe.String(unsafe.SliceData(n.key), len(n.key))
}

// readSlot copies a slot, which has entries of a size, and tells how much of the copy it is. One that is not there is empty.
func readSlot(s Store, key string, into []byte, entry int) (size int, cas uint32, err error) {
	value, cas, found, err := s.SharedData(key)
	switch {
	case err != nil:
		return 0, 0, err
	case !found:
		return 0, host.CASAbsent, nil
	case len(value) > len(into) || len(value)%entry != 0 || cas == 0: // 0 would overwrite whatever is there
		return 0, 0, errSlot
	}
	return copy(into, value), cas, nil
}

// slot is a copy of a slot, to be changed.
type slot struct {
	data [slotSize]byte
	size int // of the data
	cas  uint32
}

// read gets a bucket's slot.
func (t *table) read(s Store, f *fingerprint, into *slot) (err error) {
	into.size, into.cas, err = readSlot(s, t.slots.of(f), into.data[:], entrySize)
	return err
}

// write puts a bucket's slot back. host.ErrCAS: somebody else was faster.
func (t *table) write(s Store, f *fingerprint, from *slot) error {
	return s.SetSharedData(t.slots.of(f), from.data[:from.size], from.cas)
}

// full is when a bucket is full again, 0 if it is.
func (s *slot) full(f *fingerprint) int64 {
	if at := s.find(f); at >= 0 {
		return s.fullAt(at)
	}
	return 0
}

// put sets when a bucket is full again. It takes a new entry, or that of a bucket that is full, or else that of the one
// which is next to be; evicted tells of the last.
func (s *slot) put(f *fingerprint, full, now int64) (evicted bool) {
	at := s.find(f)
	if at < 0 {
		if at = s.room(now); at < s.size {
			evicted = s.fullAt(at) > now
		} else {
			s.size += entrySize
		}
		copy(s.data[at:], f[:])
	}
	ascii.SetWord(s.data[:], at+len(f), uint64(full))
	return evicted
}

// room is where a new entry goes.
func (s *slot) room(now int64) int {
	first := 0
	for at := 0; at < s.size; at += entrySize {
		if s.fullAt(at) < s.fullAt(first) {
			first = at
		}
	}
	if s.size < slotSize && (s.size == 0 || s.fullAt(first) > now) {
		return s.size
	}
	return first
}

func (s *slot) find(f *fingerprint) int {
	low, high := ascii.Word(f[:], 0), ascii.Word(f[:], 8)
	for at := 0; at < s.size; at += entrySize {
		if ascii.Word(s.data[:], at) == low && ascii.Word(s.data[:], at+8) == high {
			return at
		}
	}
	return -1
}

func (s *slot) fullAt(at int) int64 {
	return int64(ascii.Word(s.data[:], at+len(fingerprint{})))
}
