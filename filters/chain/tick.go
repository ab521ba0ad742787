package chain

import (
	"time"

	"github.com/palisade-mesh/palisade/filters/host"
)

// timer is what a stage asked for with SetTick.
type timer struct {
	period time.Duration // 0: nothing
	next   int64         // when it is due, by the monotonic clock
}

// ticks are the host's: one period for all stages.
type ticks struct{ period time.Duration }

// SetTick implements host.Host: the host ticks as often as the stage that wants it most often.
func (v *view) SetTick(period time.Duration) error {
	t := &v.chain.stages[v.stage].timer
	old := *t
	*t = timer{period: period, next: v.Monotonic() + int64(period)}
	shortest := v.chain.shortest()
	if shortest == v.ticks.period {
		return nil
	}
	if err := v.Host.SetTick(shortest); err != nil {
		*t = old
		return err
	}
	v.ticks.period = shortest
	return nil
}

// shortest is the shortest period, 0 if nobody has one.
func (c *Chain) shortest() time.Duration {
	shortest := time.Duration(0)
	for i := range c.stages {
		if p := c.stages[i].timer.period; p > 0 && (shortest == 0 || p < shortest) {
			shortest = p
		}
	}
	return shortest
}

// Tick implements host.Background.
func (c *Chain) Tick(h host.Host) {
	c.view.begin(h)
	now := h.Monotonic()
	// A stage that would be due before half of the host's period is over is due now: a tick may come a little early.
	soon := now + int64(c.view.ticks.period)/2
	for i := range c.stages {
		s := &c.stages[i]
		if s.timer.period == 0 || s.timer.next > soon || s.background == nil {
			continue
		}
		s.timer.next = now + int64(s.timer.period)
		c.view.stage = i
		s.background.Tick(&c.view)
	}
}
