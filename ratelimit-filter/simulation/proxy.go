package main

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// buckets are proxies that count on their own, as scope: instance does, by the filter's own arithmetic.
type buckets struct {
	rate  ratelimit.Rate
	full  []int64
	tally *tally
}

func newBuckets(proxies, requests int, t *tally) *buckets {
	rate, err := ratelimit.NewRate(int64(requests), time.Duration(window), 0)
	if err != nil {
		panic(err)
	}
	return &buckets{rate: rate, full: make([]int64, proxies), tally: t}
}

func (b *buckets) request(r request) {
	if b.take(r.proxy, r.at) {
		b.tally.admit(r, r.at, r.at)
	}
}

func (b *buckets) take(proxy int, now int64) bool {
	full, ok := b.rate.Charge(b.full[proxy], now, 1)
	if ok {
		b.full[proxy] = full
	}
	return ok
}

func (b *buckets) until(int64) {}

// How long messages are under way, each way: at least half a millisecond, and half a millisecond more on average.
const (
	leastDelay = 500 * time.Microsecond
	meanExtra  = 500 * time.Microsecond
)

// clockError is how far a proxy's clock is off at most.
const clockError = 10 * time.Millisecond

// noJitter is the jitter of a breaker's pause that changes nothing.
const noJitter = 0.5

// timeout is how long a proxy waits for an answer.
const timeout = int64(50 * time.Millisecond)

// mesh are proxies with a limit of scope: global, and the service that counts for them.
type mesh struct {
	scenario Scenario
	tally    *tally
	random   *rand.Rand
	service  service
	pending  []message // in order of time

	refused  []int64 // by proxy: until when, by its own clock, it refuses on its own
	ahead    []int64 // by proxy: its clock, of the service's
	breakers []rls.Breaker
	local    *buckets // onError: instance
}

// message is a call on its way to the service, or its answer, or the end of the wait for one.
type message struct {
	at      int64
	request request // which came when the call was sent
	kind    kind
	probe   bool // what the breaker says of the call
	answer  answer
}

type kind uint8

const (
	call kind = iota
	answered
	timedOut
)

func newMesh(s Scenario, t *tally) *mesh {
	m := &mesh{
		scenario: s, tally: t, random: rand.New(rand.NewPCG(seed, 0)), refused: make([]int64, s.Proxies),
		breakers: make([]rls.Breaker, s.Proxies*workers), local: newBuckets(s.Proxies, limit, t),
	}
	for range s.Proxies {
		m.ahead = append(m.ahead, int64((2*m.random.Float64()-1)*float64(clockError)))
	}
	return m
}

func (m *mesh) request(r request) {
	if r.at+m.ahead[r.proxy] < m.refused[r.proxy] {
		if isMeasured(r.at) && !m.down(r.at) && m.service.room(r.at) {
			m.tally.spared++
		}
		return
	}
	if !m.breaker(r).Allows(r.at) {
		m.local.request(r)
		return
	}
	probe := m.breaker(r).Asked()
	m.tally.call(r.at)
	m.send(message{at: r.at + m.delay(), request: r, kind: call, probe: probe})
}

func (m *mesh) breaker(r request) *rls.Breaker { return &m.breakers[r.proxy*workers+r.worker] }

func (m *mesh) down(at int64) bool { return m.scenario.Down && isMeasured(at) }

func (m *mesh) delay() int64 {
	return int64(leastDelay) + int64(exponential(m.random)*float64(meanExtra))
}

// send puts a message where its time is.
func (m *mesh) send(n message) {
	i := len(m.pending)
	for i > 0 && m.pending[i-1].at > n.at {
		i--
	}
	m.pending = slices.Insert(m.pending, i, n)
}

func (m *mesh) until(now int64) {
	for len(m.pending) > 0 && m.pending[0].at <= now {
		n := m.pending[0]
		m.pending = m.pending[1:]
		m.deliver(n)
	}
}

func (m *mesh) deliver(n message) {
	r := n.request
	switch n.kind {
	case call:
		if m.down(n.at) {
			m.send(message{at: r.at + timeout, request: r, kind: timedOut, probe: n.probe})
			return
		}
		a := m.service.count(n.at, m.delay())
		m.send(message{at: a.at + m.delay(), request: r, kind: answered, answer: a})
	case answered:
		m.breaker(r).Answered()
		if !n.answer.over {
			m.tally.admit(r, n.at, n.answer.counted)
			return
		}
		until := remember
		if m.scenario.AsTold {
			until = asTold
		}
		ahead := m.ahead[r.proxy]
		m.refused[r.proxy] = max(m.refused[r.proxy], until(r.at+ahead, n.at+ahead, n.answer.reset))
	case timedOut:
		m.breaker(r).Failed(n.at, noJitter, n.probe)
		if m.local.take(r.proxy, n.at) {
			m.tally.admit(r, n.at, r.at)
		}
	}
}

const second = int64(time.Second)

// remember is until when a proxy refuses on its own that sent a call, was told that it is over, and that the window has so
// much left; times are its own clock's.
func remember(sent, told, reset int64) int64 { return rls.OverUntil(sent, told, reset, window) }

// asTold believes the service.
func asTold(_, told, reset int64) int64 { return told + reset }

// service counts fixed windows, as envoyproxy/ratelimit does in Redis.
type service struct {
	window, n int64
}

// answer is what it says of a request, when it was counted, and when the answer leaves.
type answer struct {
	over        bool
	counted, at int64
	reset       int64 // what it says is left of the window
}

func (s *service) count(now, redis int64) answer {
	s.turn(now)
	s.n++
	a := answer{over: s.n > limit, counted: now, at: now + redis}
	a.reset = window - a.at/second*second%window
	return a
}

func (s *service) room(now int64) bool {
	s.turn(now)
	return s.n < limit
}

func (s *service) turn(now int64) {
	if w := now / window; w > s.window {
		s.window, s.n = w, 0
	}
}
