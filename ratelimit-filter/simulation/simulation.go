package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// The limit that is looked at: two requests a minute for each of 10,000 proxies, so that a share of it is still a limit.
const (
	limit  = 20_000
	window = int64(time.Minute)
	// measured are the windows that count; one before them lets buckets and memories come into their usual state.
	measured = 4
	workers  = 4 // of each proxy
	seed     = 1
)

// Scenario is what happens, and who counts.
type Scenario struct {
	Proxies int
	Load    float64 // requests offered per window, as a multiple of the limit
	Skewed  bool    // the k-th proxy gets 1/k of what the first gets (Zipf), instead of all the same
	AtTurn  bool    // they come within a second of every second turn of the window, instead of at any time (Poisson)
	Down    bool    // the service does not answer in the measured windows
	Scheme  Scheme
	AsTold  bool // a proxy refuses on its own for as long as the service says, not as remember does
}

// Scheme is who counts.
type Scheme uint8

// The schemes.
const (
	Global   Scheme = iota // the service, for all proxies
	Instance               // each proxy, with the whole limit
	Split                  // each proxy, with its share of the limit
)

// Run simulates a scenario, the same each time.
func Run(s Scenario) Result {
	a := newArrivals(s)
	t := newTally(s)
	var c counter
	switch s.Scheme {
	case Global:
		c = newMesh(s, t)
	case Instance:
		c = newBuckets(s.Proxies, limit, t)
	case Split:
		c = newBuckets(s.Proxies, max(limit/s.Proxies, 1), t)
	}
	for {
		r := a.next()
		if r.at >= (1+measured)*window {
			c.until(math.MaxInt64)
			return t.result()
		}
		t.offer(r)
		c.until(r.at)
		c.request(r)
	}
}

// counter admits or refuses requests, which come in order of time.
type counter interface {
	request(r request)
	// until lets happen what is under way up to now.
	until(now int64)
}

// request is when a request comes to which worker of which proxy. Times are in ns; the first window begins at 0.
type request struct {
	at            int64
	proxy, worker int
}

// arrivals are the requests of a scenario, the same for each scheme.
type arrivals struct {
	scenario Scenario
	random   *rand.Rand
	clock    float64 // in windows
	weights  []float64
}

func newArrivals(s Scenario) *arrivals {
	a := &arrivals{scenario: s, random: rand.New(rand.NewPCG(seed, uint64(s.Proxies)))}
	if s.Skewed {
		sum := 0.0
		for k := range s.Proxies {
			sum += 1 / float64(k+1)
			a.weights = append(a.weights, sum)
		}
	}
	return a
}

func (a *arrivals) next() request {
	a.clock += exponential(a.random) / (a.scenario.Load * limit)
	at := a.clock
	if a.scenario.AtTurn {
		at = aimed(at)
	}
	r := request{at: int64(at * float64(window)), worker: a.random.IntN(workers)}
	if a.weights == nil {
		r.proxy = a.random.IntN(a.scenario.Proxies)
	} else {
		sum := a.weights[len(a.weights)-1]
		r.proxy = min(sort.SearchFloat64s(a.weights, a.random.Float64()*sum), a.scenario.Proxies-1)
	}
	return r
}

// aimed squeezes what comes in two windows into the second before and the second after the turn between them.
func aimed(at float64) float64 {
	turn := 2 * math.Floor((at+1)/2)
	return turn + (at-turn)*float64(time.Second)/float64(window)
}

func exponential(r *rand.Rand) float64 { return -math.Log(1 - r.Float64()) }

// tally counts what becomes of requests in the measured windows.
type tally struct {
	scenario Scenario
	offered  int
	admitted int
	calls    int
	byWindow [1 + measured]int // admitted, in the window of whoever counted
	times    []int64           // when they were admitted
	spared   int               // refused from memory while the service had room
}

func newTally(s Scenario) *tally { return &tally{scenario: s} }

func isMeasured(at int64) bool { return at >= window && at < (1+measured)*window }

func (t *tally) offer(r request) {
	if isMeasured(r.at) {
		t.offered++
	}
}

func (t *tally) call(sent int64) {
	if isMeasured(sent) {
		t.calls++
	}
}

// admit counts a request that is admitted at a time, and was counted at another.
func (t *tally) admit(r request, at, counted int64) {
	if isMeasured(r.at) {
		t.admitted++
	}
	if isMeasured(counted) {
		t.byWindow[counted/window]++
		t.times = append(t.times, at)
	}
}

// Result is what a scenario comes to. What is admitted is in multiples of the limit.
type Result struct {
	Offered  int
	Admitted int
	Asked    float64 // calls per request, and so the share of requests that wait for one
	Calls    float64 // per admitted request
	Mean     float64 // admitted per window
	Most     float64 // admitted in one window
	Interval float64 // admitted in an interval that is as long as a window, wherever it begins
	Spared   float64 // share of requests refused by the proxy that the service would have admitted
}

func (t *tally) result() Result {
	most := slices.Max(t.byWindow[1:])
	return Result{
		Offered: t.offered, Admitted: t.admitted,
		Asked:    float64(t.calls) / float64(t.offered),
		Calls:    float64(t.calls) / float64(t.admitted),
		Mean:     float64(len(t.times)) / limit / measured,
		Most:     float64(most) / limit,
		Interval: float64(mostWithin(t.times, window)) / limit,
		Spared:   float64(t.spared) / float64(t.offered),
	}
}

// mostWithin is the greatest number of times that lie within a span.
func mostWithin(times []int64, span int64) int {
	slices.Sort(times)
	most, first := 0, 0
	for i := range times {
		for times[i]-times[first] >= span {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
