package ratelimit

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/palisade-mesh/palisade/filters/host"
)

// The roll says which workers that hold requests are alive: for each its number and when it last called. A worker calls every
// callPeriod. One that has been silent for silence is dead: it trapped, or its configuration is gone with its last stream.

// CallPeriod is how often Limiter.Tick is to be called if there are concurrency limits.
const CallPeriod = 2 * time.Second

// silence is beyond what a worker that lives may be held up by anything.
const silence = 30 * time.Second

const (
	rollKey  = namespace + "workers"
	callSize = 12 // worker, and when it called
	maxRoll  = 4096 * callSize
)

var (
	errRoll   = errors.New("there is no roll of the workers")
	errFull   = errors.New("the workers' roll is full")
	errWorker = errors.New("the worker could not be told from others")
)

// roll is as the host gave it, and not to be changed.
type roll []byte

func readRoll(s Store) (roll, error) {
	r, cas, err := readRollCAS(s)
	if err == nil && cas == host.CASAbsent {
		err = errRoll
	}
	return r, err
}

func readRollCAS(s Store) (roll, uint32, error) {
	value, cas, found, err := s.SharedData(rollKey)
	switch {
	case err != nil:
		return nil, 0, err
	case !found:
		return nil, host.CASAbsent, nil
	case len(value)%callSize != 0 || cas == 0:
		return nil, 0, errSlot
	}
	return value, cas, nil
}

func (r roll) find(worker uint32) int {
	for at := 0; at < len(r); at += callSize {
		if binary.LittleEndian.Uint32(r[at:]) == worker {
			return at
		}
	}
	return -1
}

func (r roll) has(worker uint32, now int64) bool {
	at := r.find(worker)
	return at >= 0 && now-r.at(at) < int64(silence)
}

func (r roll) at(at int) int64 { return int64(binary.LittleEndian.Uint64(r[at+4:])) }

// introduce gives the worker a number before it holds anything. One that has not called for a while, because its ticks are
// late, calls before it takes more; one that has been silent for long gets another number: the others may have taken away what
// it held.
func (f *inFlight) introduce() error {
	if f.worker != 0 {
		if f.store.Monotonic()-f.called < int64(silence/2) {
			return nil
		}
		if err := f.call(f.worker, false); !errors.Is(err, errWorker) {
			return err
		}
		f.worker = 0
	}
	var b [4]byte
	if err := f.random(b[:]); err != nil {
		return err
	}
	number := binary.LittleEndian.Uint32(b[:])
	if number == 0 {
		return errWorker // one time in four billion
	}
	if err := f.call(number, true); err != nil {
		return err
	}
	f.worker = number
	return nil
}

// call says that a worker is alive. errWorker: it is new and another has its number, or it is not and the others may have given
// it up.
func (f *inFlight) call(worker uint32, isNew bool) error {
	for range maxSwaps {
		old, cas, err := readRollCAS(f.store)
		if err != nil {
			return err
		}
		now := f.store.Monotonic()
		r := old.living(now)
		at := r.find(worker)
		switch {
		case (at < 0) != isNew:
			return errWorker
		case isNew && len(r) >= maxRoll:
			return errFull
		case isNew:
			at = len(r)
			r = binary.LittleEndian.AppendUint32(r, worker)
			r = binary.LittleEndian.AppendUint64(r, uint64(now))
		}
		before := r.at(at)
		binary.LittleEndian.PutUint64(r[at+4:], uint64(now))
		err = f.store.SetSharedData(rollKey, r, cas)
		switch {
		case errors.Is(err, host.ErrCAS):
			continue
		case err != nil:
			return err
		}
		f.called = now
		// Who has looked before this was written, and found it silent for too long, did so before now.
		if f.store.Monotonic()-before >= int64(silence) {
			return errWorker
		}
		return nil
	}
	return errSwaps
}

// living is a copy without the dead, with room for one more.
func (r roll) living(now int64) roll {
	list := make(roll, 0, len(r)+callSize)
	for at := 0; at < len(r); at += callSize {
		if now-r.at(at) < int64(silence) {
			list = append(list, r[at:at+callSize]...)
		}
	}
	return list
}

// tick says that the worker is alive.
func (f *inFlight) tick() {
	f.retry()
	if f.worker != 0 && errors.Is(f.call(f.worker, false), errWorker) {
		f.worker = 0
	}
}
