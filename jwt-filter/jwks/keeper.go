// Package jwks fetches the key sets of remote providers through the proxy's clusters and keeps a Verifier's keys up to date.
//
// The workers of a process share one state for each set (state.go), in shared data. Whoever finds a set due, or missing,
// takes the lease in it and fetches; the others find the result there. A fetch that fails changes no key.
package jwks

import (
	"errors"
	"strconv"
	"time"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
)

// Keeper keeps the keys of one worker's Verifier. It is not safe for concurrent use.
type Keeper struct {
	verifier *jwt.Verifier
	sets     []*remote
	count    func(h host.Host, metric string)
	ticking  time.Duration
	news     bool // something has happened that requests may have waited for
}

// The periods of ticks: at rest, and while somebody waits for what another worker fetches.
const (
	idlePeriod  = time.Second
	eagerPeriod = 20 * time.Millisecond
)

// New makes a Keeper for the remote providers of a configuration, nil if there are none. count counts a metric.
func New(c *jwt.Config, v *jwt.Verifier, count func(h host.Host, metric string)) *Keeper {
	k := &Keeper{verifier: v, count: count}
	for i := range c.Providers {
		if p := &c.Providers[i]; p.Remote != nil {
			k.sets = append(k.sets, newRemote(i, p.Name, p.Remote))
		}
	}
	if k.sets == nil {
		return nil
	}
	return k
}

// Start is for Configure. It takes over sets that are there already, as after an update of the configuration, and asks
// for the first tick, which fetches.
func (k *Keeper) Start(h host.Host) error {
	for _, r := range k.sets {
		if s, _, ok := r.read(h); ok {
			k.adopt(h, r, &s)
		}
	}
	return k.tickEvery(h, time.Millisecond)
}

// Tick takes over what other workers have fetched, and fetches what is due. waiting is whether requests wait. It returns
// whether something has happened that they may have waited for.
func (k *Keeper) Tick(h host.Host, now time.Time, waiting bool) (news bool) {
	period := idlePeriod
	for _, r := range k.sets {
		s, _, ok := r.read(h)
		if !ok {
			continue
		}
		k.adopt(h, r, &s)
		ms := now.UnixMilli()
		if r.calling && ms > r.until {
			r.calling = false // the answer is not going to come
		}
		if r.calling {
			k.renew(h, r, ms)
		}
		due := s.due(ms, r.keep)
		if due <= ms && !s.leased(ms) {
			k.fetch(h, r, now, false)
			due = ms
		}
		if r.calling {
			period = min(period, renewPeriod)
		}
		// In time for what is due. Of a fetch that is under way, only the first is waited for eagerly.
		if due > ms || r.revision == 0 {
			period = min(period, time.Duration(due-ms)*time.Millisecond)
		}
	}
	if waiting {
		period = eagerPeriod
	}
	_ = k.tickEvery(h, max(period, eagerPeriod))
	news, k.news = k.news, false
	return news
}

// Answer says whether it is worth waiting for keys.
type Answer uint8

// The answers.
const (
	No    Answer = iota // the decision stands
	Again               // other keys are there now: decide again
	Wait                // until Tick or HTTPResponse have news
)

// Await does what can be done about keys that a decision lacks, for a request that has waited since some time. With Wait,
// deadline is when it has waited long enough.
func (k *Keeper) Await(h host.Host, lacks jwt.Lacks, since, now time.Time) (answer Answer, deadline time.Time) {
	for _, r := range k.sets {
		keys, ids := lacks.Keys>>r.provider&1 != 0, lacks.KeyIDs>>r.provider&1 != 0
		if !keys && !ids || !keys && r.isQuiet(now.UnixMilli()) {
			continue
		}
		s, _, ok := r.read(h)
		if !ok {
			continue
		}
		if k.adopt(h, r, &s) {
			return Again, deadline
		}
		until := since.Add(r.config.Timeout)
		if !now.Before(until) {
			continue
		}
		ms := now.UnixMilli()
		fetching := s.leased(ms)
		due := s.due(ms, r.keep) <= ms
		if !fetching && (due || ids && r.config.RefreshOnUnknownKid && s.mayAskForID(ms)) {
			fetching = k.fetch(h, r, now, !due)
			if !fetching { // it may have failed at once, or somebody was faster
				if s, _, ok = r.read(h); !ok {
					continue
				}
				fetching = s.leased(ms)
			}
		}
		if !fetching && s.revision != 0 && r.config.RefreshOnUnknownKid {
			r.quietUntil = s.unknownID + unknownIDInterval.Milliseconds()
		}
		if fetching || keys && s.due(ms, r.keep) < until.UnixMilli() {
			answer = Wait
			if until.After(deadline) {
				deadline = until
			}
		}
	}
	if answer == Wait {
		_ = k.tickEvery(h, eagerPeriod) // else it is woken a little later: the former period is a second at most
	}
	return answer, deadline
}

// HTTPResponse takes the answer to a fetch. It returns whether it was one, which requests may have waited for.
func (k *Keeper) HTTPResponse(h host.Host, call host.CallID, bodySize uint32, now time.Time) bool {
	for _, r := range k.sets {
		if !r.calling || r.call != call {
			continue
		}
		r.calling = false
		set, result, err := receive(h, bodySize)
		if err != nil {
			k.failed(h, r, now, result, err)
		} else {
			k.fetched(h, r, now, set)
		}
		k.news = false
		return true
	}
	return false
}

// fetch takes the lease and calls the cluster, unless somebody else is at it. It returns whether an answer will come.
func (k *Keeper) fetch(h host.Host, r *remote, now time.Time, forKeyID bool) bool {
	ms := now.UnixMilli()
	lease := ms + leaseTime.Milliseconds()
	taken := r.update(h, func(s *state) bool {
		if s.leased(ms) || !forKeyID && s.due(ms, r.keep) > ms || forKeyID && !s.mayAskForID(ms) {
			return false
		}
		s.lease = lease
		if forKeyID {
			s.unknownID = ms
		}
		return true
	})
	if !taken {
		return false
	}
	r.lease, r.calling, r.began = lease, false, ms
	call, err := h.HTTPCall(r.config.Cluster, [][2]string{
		{":method", "GET"}, {":path", r.config.Path}, {":authority", r.config.Authority}, {":scheme", r.config.Scheme},
		{"accept", "application/jwk-set+json, application/json"}, {"user-agent", "palisade-jwt-filter"},
	}, nil, r.config.Timeout)
	if err != nil {
		k.failed(h, r, now, "unreachable", errors.New("cluster "+r.config.Cluster+" cannot be called: "+err.Error()))
		return false
	}
	r.call, r.calling, r.until = call, true, now.Add(r.config.Timeout+leaseTime).UnixMilli()
	return true
}

// renew keeps the lease while an answer is waited for.
func (k *Keeper) renew(h host.Host, r *remote, ms int64) {
	lease := ms + leaseTime.Milliseconds()
	if r.update(h, func(s *state) bool {
		if s.lease != r.lease {
			return false // it was late, and somebody else has it
		}
		s.lease = lease
		return true
	}) {
		r.lease = lease
	}
}

// fetched takes over a set and shares it, unless the fetch has taken so long that somebody else has fetched since: then
// it is the older one, and may have keys that are no more.
func (k *Keeper) fetched(h host.Host, r *remote, now time.Time, set keySet) {
	k.counted(h, r, "ok")
	late := false
	var s state
	shared := r.update(h, func(current *state) bool {
		if late = r.isLate(current); !late {
			current.succeed(set.text, now.UnixMilli(), r.keep, random(h))
		}
		s = *current
		return !late
	})
	switch {
	case late:
		k.adopt(h, r, &s)
	case shared:
		k.use(h, r, s.revision, set)
	default: // it serves here, at least, until another one is shared
		k.count(h, "palisade.errors.filter.jwt.kind.shared_data")
		r.revision = 0
		k.use(h, r, unshared, set)
	}
}

func (k *Keeper) failed(h host.Host, r *remote, now time.Time, result string, err error) {
	k.counted(h, r, result)
	k.news = true
	old := "; there is none yet"
	if r.revision != 0 {
		old = "; the old one serves on"
	}
	h.Log(host.Warn, "jwt-filter: provider "+r.name+": the key set was not fetched from "+r.config.URI+": "+err.Error()+old)
	r.update(h, func(s *state) bool {
		if r.isLate(s) {
			return false
		}
		s.fail(r.lease, now.UnixMilli(), random(h))
		return true
	})
}

// adopt takes over what another worker has fetched, and returns whether that are other keys.
func (k *Keeper) adopt(h host.Host, r *remote, s *state) bool {
	if s.failures != r.seen.failures || s.fetched != r.seen.fetched {
		r.seen.failures, r.seen.fetched = s.failures, s.fetched
		k.news = true
	}
	if s.revision == r.revision || s.set == "" {
		return false
	}
	keys, skipped, err := jwt.ParseKeySet(s.set)
	if err != nil {
		r.revision = s.revision // it was checked before it was shared, so this is another version's
		return false
	}
	k.use(h, r, s.revision, keySet{s.set, keys, skipped})
	return true
}

// use makes a set the provider's.
func (k *Keeper) use(h host.Host, r *remote, revision uint32, set keySet) {
	if revision == r.revision {
		return
	}
	r.revision, r.quietUntil = revision, 0
	k.news = true
	if usable := k.verifier.SetKeys(r.provider, set.keys); usable == 0 || set.skipped > 0 {
		h.Log(host.Warn, "jwt-filter: provider "+r.name+": the key set has "+strconv.Itoa(usable)+" keys for the provider's algorithms, and "+
			strconv.Itoa(set.skipped)+" that are weak or malformed and were left out")
	}
}

func (k *Keeper) counted(h host.Host, r *remote, result string) {
	k.count(h, "palisade.jwks_fetch.provider."+host.Label(r.name)+".result."+result)
}

func (k *Keeper) tickEvery(h host.Host, period time.Duration) error {
	if period == k.ticking {
		return nil
	}
	if err := h.SetTick(period); err != nil {
		return err
	}
	k.ticking = period
	return nil
}
