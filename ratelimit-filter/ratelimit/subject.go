package ratelimit

import (
	"strconv"

	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/clientip"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/filters/spiffe"
)

// subject is one request with who asks, each part found out when a key first needs it.
type subject struct {
	limiter *Limiter
	request *request.Request
	path    string // normal form
	other   string // the same without parameters, as some read it; "" if there are none

	workload    spiffe.ID
	workloadErr error
	claimSets   claimset.Sets
	remoteIP    clientip.Address

	hasWorkload, hasClaims, hasRemote bool
}

func (s *subject) principal() (string, error) {
	if !s.hasWorkload {
		s.hasWorkload = true
		s.workload, s.workloadErr = s.limiter.config.Identity.Workload(s.request)
	}
	return s.workload.Name(), s.workloadErr
}

func (s *subject) claims() *claimset.Sets {
	if !s.hasClaims {
		s.hasClaims = true
		s.claimSets = s.limiter.claims.Read(s.request)
	}
	return &s.claimSets
}

func (s *subject) remote() *clientip.Address {
	if !s.hasRemote {
		s.hasRemote = true
		s.remoteIP = clientip.Remote(s.request, s.limiter.config.TrustedHops)
	}
	return &s.remoteIP
}

// matches tells whether a limit is for the request, in one of the ways in which its path is read. A limit for which that
// cannot be told is for it.
func (s *subject) matches(l *Target) bool {
	_, ok, err := l.Match.Match(s.request, s.path)
	if !ok && err == nil && s.other != "" {
		_, ok, err = l.Match.Match(s.request, s.other)
	}
	return ok || err != nil
}

// cost is what the request takes out of a bucket. Without the header it is one.
func (s *subject) cost(c *Cost, ceiling int64) int64 {
	if c.Header == "" {
		return c.Fixed
	}
	return headerCost(s.request.Headers(), c.Header, 1, min(c.Max, ceiling))
}

// headerCost is what a header says that something costs: the least without it, and the highest if it says anything else than a
// number between the two, so that nobody pays less for confusion.
func headerCost(headers [][2]string, name string, least, highest int64) int64 {
	cost, found := least, false
	for i := range headers {
		if headers[i][0] != name {
			continue
		}
		n, err := strconv.ParseUint(headers[i][1], 10, 63)
		if found || err != nil || n < uint64(least) || n > uint64(highest) {
			return highest
		}
		cost, found = int64(n), true
	}
	return cost
}
