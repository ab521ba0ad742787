package rls

import "time"

// Breaker leaves a service alone that fails: after a few failures in a row it is asked only now and then, by one request at
// a time, until it answers. It is of one worker. The zero value is closed.
type Breaker struct {
	failures int   // in a row
	until    int64 // ns: when it may be asked again
	probing  bool  // one request is asking
}

const (
	tolerated  = 3
	firstPause = 250 * time.Millisecond
	lastPause  = 30 * time.Second
)

// Allows tells whether the service may be asked now, in ns.
func (b *Breaker) Allows(now int64) bool {
	return b.failures < tolerated || !b.probing && now >= b.until
}

// Asked notes a call that is to be made, which Allows has allowed, and tells whether it is the one that probes.
func (b *Breaker) Asked() (probe bool) {
	b.probing = b.failures >= tolerated
	return b.probing
}

// Answered notes a call that succeeded.
func (b *Breaker) Answered() { *b = Breaker{} }

// Failed notes one that did not, also if it could not even be made; probe is what Asked said of it. jitter in [0,1) spreads
// the workers that try again.
func (b *Breaker) Failed(now int64, jitter float64, probe bool) {
	if b.failures >= tolerated && !probe {
		return // it was under way when others failed
	}
	b.failures++
	b.probing = false
	if b.failures < tolerated {
		return
	}
	pause := lastPause
	if doublings := b.failures - tolerated; doublings < 7 {
		pause = min(firstPause<<doublings, lastPause)
	}
	b.until = now + int64(float64(pause)*(0.75+jitter/2))
}
