package jwks

import (
	"encoding/binary"
	"strings"
	"time"
)

// state is what all workers of a process know together of one remote set. It is one value of shared data, which is
// changed by compare-and-swap, so that no two parts of it can disagree.
type state struct {
	revision  uint32 // counts the sets that differ; 0: there has been none
	failures  uint32 // fetches that have failed since the last that did not
	fetched   int64  // when the set was last confirmed. All times are in milliseconds since 1970; 0 is never
	next      int64  // when it is to be fetched again
	lease     int64  // somebody is fetching it, and will say so again until then; 0: nobody
	unknownID int64  // when it was last fetched for the sake of a key ID
	set       string // the JWK Set, as text
}

// Bounds and periods.
const (
	// unknownIDInterval is how often at most a set is fetched because a token names a key that it does not have.
	unknownIDInterval = 10 * time.Second
	// minBackOff and maxBackOff are how long after failures the next fetch is tried; each failure doubles it.
	minBackOff, maxBackOff = 250 * time.Millisecond, 30 * time.Second
	// leaseTime is how long a lease lasts that is not renewed, as it is each renewPeriod while the fetch goes on. Who
	// fetches may be gone before the answer comes, and nobody gets it then: Envoy cancels the calls of a configuration
	// that it replaces, at once if no request keeps it, as on its main thread.
	leaseTime, renewPeriod = 2 * time.Second, 500 * time.Millisecond
)

const (
	stateVersion = 1
	fixedSize    = 1 + 2*4 + 4*8
)

func (s *state) append(b []byte) []byte {
	b = append(b, stateVersion)
	b = binary.LittleEndian.AppendUint32(b, s.revision)
	b = binary.LittleEndian.AppendUint32(b, s.failures)
	for _, t := range [...]int64{s.fetched, s.next, s.lease, s.unknownID} {
		b = binary.LittleEndian.AppendUint64(b, uint64(t))
	}
	return append(b, s.set...)
}

// parse reads a state. What is none, another version's for one, is as if there were no state.
func parse(b []byte) state {
	if len(b) < fixedSize || b[0] != stateVersion {
		return state{}
	}
	number := func(at int) int64 { return int64(binary.LittleEndian.Uint64(b[9+8*at:])) }
	return state{
		revision: binary.LittleEndian.Uint32(b[1:]), failures: binary.LittleEndian.Uint32(b[5:]),
		fetched: number(0), next: number(1), lease: number(2), unknownID: number(3),
		set: string(b[fixedSize:]),
	}
}

// A clock may be set back. What then lies further ahead than it can is taken for past, or nobody would fetch for as long.

// But a worker may have read the clock before another wrote the state, and been held up for so long.
const heldUp = leaseTime

// leased tells whether somebody is fetching.
func (s *state) leased(now int64) bool {
	return s.lease > now && s.lease <= now+(leaseTime+heldUp).Milliseconds()
}

// due is when the set is to be fetched again, for a worker that keeps it so long.
func (s *state) due(now, keep int64) int64 {
	if s.lease != 0 && !s.leased(now) {
		return now // whoever was fetching it is gone
	}
	next := s.next
	if s.failures == 0 {
		next = min(next, s.fetched+keep)
	}
	if next > now+max(keep, (maxBackOff*5/4+heldUp).Milliseconds()) {
		return now
	}
	return next
}

// mayAskForID tells whether the set may be fetched because of an unknown key ID.
func (s *state) mayAskForID(now int64) bool {
	return now >= s.unknownID+unknownIDInterval.Milliseconds() || s.unknownID > now+heldUp.Milliseconds()
}

// succeed notes a fetch that brought a set. random is from 0 to 1.
func (s *state) succeed(set string, now, keep int64, random float64) {
	if s.revision == 0 || s.set != set {
		s.revision++
		s.set = strings.Clone(set)
	}
	s.failures, s.fetched, s.lease = 0, now, 0
	// Ahead of time, and not all proxies at once.
	s.next = now + int64(float64(keep)*(0.75+0.15*random))
}

// fail notes a fetch that did not, of who has the lease.
func (s *state) fail(lease, now int64, random float64) {
	s.failures++
	wait := maxBackOff
	if s.failures < 8 {
		wait = min(minBackOff<<(s.failures-1), maxBackOff)
	}
	s.next = now + int64(float64(wait.Milliseconds())*(0.75+0.5*random))
	if s.lease == lease {
		s.lease = 0
	}
}
