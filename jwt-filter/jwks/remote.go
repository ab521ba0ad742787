package jwks

import (
	"errors"
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
)

// MaxSetBytes bounds the text of a set: 64 keys of 8192 bits with certificates beside them fit.
const MaxSetBytes = 256 << 10

// remote is a set as one worker knows it.
type remote struct {
	provider int // in the configuration
	name     string
	config   *jwt.RemoteKeys
	key      string // of the state in shared data

	keep     int64  // in milliseconds
	revision uint32 // of the keys that the Verifier has

	calling bool // a fetch of this worker is under way:
	call    host.CallID
	lease   int64
	began   int64
	until   int64 // when the proxy must have answered

	quietUntil int64 // no key ID is worth a look at the state until then

	seen struct { // of the state, when it was looked at last
		failures uint32
		fetched  int64
	}
}

func newRemote(provider int, name string, c *jwt.RemoteKeys) *remote {
	return &remote{
		provider: provider, name: name, config: c,
		// Providers with the same source share it, whatever they are called.
		key:  "palisade.jwks\x00" + c.Cluster + "\x00" + c.URI,
		keep: c.CacheDuration.Milliseconds(),
	}
}

// unshared is the revision of a set that could not be shared, so that each that can be is another.
const unshared = ^uint32(0)

// isLate tells whether somebody else has taken over this worker's fetch and has an answer already.
func (r *remote) isLate(s *state) bool { return s.lease != r.lease && s.fetched > r.began }

// isQuiet tells whether it is known that nothing is to be had for an unknown key ID: it would take a copy of the whole set
// to find that out again, for each token that anybody makes up.
func (r *remote) isQuiet(now int64) bool {
	return now < r.quietUntil && r.quietUntil <= now+unknownIDInterval.Milliseconds()
}

// read gives the state; ok is false if the host does not.
func (r *remote) read(h host.Host) (s state, cas uint32, ok bool) {
	value, cas, found, err := h.SharedData(r.key)
	switch {
	case err != nil:
		return state{}, 0, false
	case !found:
		return state{}, host.CASAbsent, true
	}
	return parse(value), cas, true
}

// update changes the state, as often as somebody else is faster, but not forever. It returns whether change wanted to,
// and could.
func (r *remote) update(h host.Host, change func(*state) bool) bool {
	const tries = 16
	for range tries {
		s, cas, ok := r.read(h)
		if !ok || !change(&s) {
			return false
		}
		switch err := h.SetSharedData(r.key, s.append(nil), cas); {
		case err == nil:
			r.seen.failures, r.seen.fetched = s.failures, s.fetched
			return true
		case !errors.Is(err, host.ErrCAS):
			return false
		}
	}
	return false
}

// keySet is a set that was fetched.
type keySet struct {
	text    string
	keys    []*jwt.Key
	skipped int // that are weak or malformed
}

// receive reads the answer to a fetch. With an error, result is what to count it as.
func receive(h host.Host, bodySize uint32) (set keySet, result string, err error) {
	headers, err := h.AnswerHeaders()
	if err != nil {
		return keySet{}, "unreachable", errors.New("there was no answer")
	}
	status := ""
	for i := range headers {
		if headers[i][0] == ":status" {
			status = headers[i][1]
		}
	}
	switch {
	case isProxys(h, status):
		return keySet{}, "unreachable", errors.New("there was no answer: the proxy says status " + status + " itself")
	case status != "200":
		return keySet{}, "status", errors.New("the answer has status " + status)
	case bodySize > MaxSetBytes:
		return keySet{}, "too_large", errors.New("the answer has " + strconv.Itoa(int(bodySize)) + " bytes; at most " + strconv.Itoa(MaxSetBytes) + " are read")
	}
	body, err := h.AnswerBody(MaxSetBytes + 1)
	if err != nil || len(body) > MaxSetBytes {
		return keySet{}, "unreachable", errors.New("the answer could not be read")
	}
	set.text = string(body)
	if set.keys, set.skipped, err = jwt.ParseKeySet(set.text); err != nil {
		return keySet{}, "invalid", err
	}
	return set, "", nil
}

// isProxys tells whether an answer is the proxy's own, for want of another: Envoy answers a call in this way if it cannot
// connect or has waited long enough before the headers came, and marks that by nothing but its words. A provider that used
// them would be counted as something else, no more.
func isProxys(h host.Host, status string) bool {
	if status != "503" && status != "504" {
		return false
	}
	const longest = 64
	body, err := h.AnswerBody(longest)
	if err != nil {
		return false
	}
	for _, words := range [...]string{"upstream connect error", "upstream request timeout", "no healthy upstream"} {
		if strings.HasPrefix(string(body), words) {
			return true
		}
	}
	return false
}

// random is from 0 to 1, to spread what would happen at the same time everywhere.
func random(h host.Host) float64 {
	var b [1]byte
	if h.Random(b[:]) != nil {
		return 0.5
	}
	return float64(b[0]) / 255
}
