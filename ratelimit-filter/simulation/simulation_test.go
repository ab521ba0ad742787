package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	for _, table := range []string{CostTable(), ComparisonTable()} {
		assert.True(t, strings.Contains(string(text), table), "README.md has another table than go run ./ratelimit-filter/simulation:\n%s", table)
	}
}

// each runs a test for every number of proxies, as even load, skewed load and load at the turn.
func each(t *testing.T, load float64, test func(t *testing.T, s Scenario)) {
	for _, n := range proxies {
		for name, s := range map[string]Scenario{"even": {}, "skewed": {Skewed: true}, "at the turn": {AtTurn: true}} {
			s.Proxies, s.Load = n, load
			t.Run(count(n)+" "+name, func(t *testing.T) { test(t, s) })
		}
	}
}

func TestServiceIsExact(t *testing.T) {
	each(t, 2, func(t *testing.T, s Scenario) {
		r := Run(s)
		assert.InDelta(t, 1, r.Mean, 1e-9, "each window admits the limit, and nothing more for answers that are under way")
		assert.InDelta(t, 1, r.Most, 1e-9)
		assert.LessOrEqual(t, r.Interval, 2.0, "windows are fixed")
		if s.AtTurn {
			assert.Greater(t, r.Interval, 1.99)
		}
		assert.Less(t, r.Spared, 0.05)
		asked := r.Asked * float64(r.Offered)
		// Each proxy has to be told, and asks again for what comes before it is.
		assert.LessOrEqual(t, asked, measured*(limit+1.5*float64(s.Proxies)+0.02*limit))
		assert.GreaterOrEqual(t, asked, float64(measured*limit))
	})
}

func TestBelowTheLimitAllAreAdmitted(t *testing.T) {
	each(t, 0.5, func(t *testing.T, s Scenario) {
		for _, s.Scheme = range []Scheme{Global, Instance} {
			r := Run(s)
			assert.Equal(t, r.Offered, r.Admitted)
		}
	})
}

// Who believes what the service says of the window's end refuses what it would admit.
func TestMemoryGoesByTheOwnClock(t *testing.T) {
	s := Scenario{Proxies: 1, Load: 1, AtTurn: true, AsTold: true}
	assert.Greater(t, Run(s).Spared, 0.25)
	s.AsTold = false
	assert.Less(t, Run(s).Spared, 0.01)
}

func TestRemember(t *testing.T) {
	at := func(d time.Duration) int64 { return 7*window + int64(d) }
	for name, c := range map[string]struct{ sent, told, reset, want time.Duration }{
		"in the middle":          {30 * time.Second, 30*time.Second + 1, 30 * time.Second, time.Minute},
		"a second later":         {30*time.Second + 1, 30*time.Second + 2, 30 * time.Second, time.Minute},
		"the clock is late":      {29 * time.Second, 29*time.Second + 1, 30 * time.Second, -7 * time.Minute},
		"the clock is early":     {31 * time.Second, 31*time.Second + 1, 30 * time.Second, -7 * time.Minute},
		"the window has turned":  {-1, 1, time.Minute, -7 * time.Minute},
		"the first second":       {1, 2, time.Minute, time.Second + 2},
		"the last second":        {59*time.Second + 1, 59*time.Second + 2, time.Second, time.Minute},
		"its last moment":        {time.Minute - 2, time.Minute - 1, time.Second, time.Minute},
		"the service has turned": {time.Minute - 2, time.Minute - 1, time.Minute, -7 * time.Minute},
	} {
		assert.Equal(t, at(c.want), remember(at(c.sent), at(c.told), int64(c.reset)), name)
	}
}

// A bucket of a minute's requests admits at most those and what flows back meanwhile.
func TestInstance(t *testing.T) {
	each(t, 4, func(t *testing.T, s Scenario) {
		s.Scheme = Instance
		r := Run(s)
		most := min(s.Load, float64(s.Proxies))
		assert.LessOrEqual(t, r.Interval, 2*most*1.01)
		if s.Proxies == 1 && s.AtTurn {
			assert.Less(t, r.Interval, 1.04, "a bucket has no turn to aim at")
		}
		if s.Proxies == 1 && !s.AtTurn {
			assert.InDelta(t, 1, r.Mean, 0.001)
		}
		if s.Proxies > 1 && !s.Skewed {
			assert.InDelta(t, s.Load, r.Mean, 0.05, "proxies that know nothing of one another admit all")
		}
	})
}

func TestShares(t *testing.T) {
	each(t, 0.5, func(t *testing.T, s Scenario) {
		s.Scheme = Split
		r := Run(s)
		assert.LessOrEqual(t, r.Interval, 2.0)
		if s.Proxies > 1 && s.Skewed {
			assert.Less(t, r.Mean, 0.4, "the shares of idle proxies are lost")
		}
	})
}

func TestServiceDown(t *testing.T) {
	each(t, 2, func(t *testing.T, s Scenario) {
		s.Down = true
		r := Run(s)
		assert.LessOrEqual(t, r.Most, 2*min(s.Load, float64(s.Proxies))*1.01)
		if s.Proxies == 1 {
			assert.Less(t, r.Asked, 0.02, "breakers are open")
			assert.LessOrEqual(t, r.Most, 2.001)
		} else if !s.Skewed {
			assert.InDelta(t, s.Load, r.Mean, 0.05, "each proxy counts alone")
		}
	})
}

// Who has waited in vain is not admitted for that.
func TestTimeoutsAreCounted(t *testing.T) {
	for full, admitted := range map[int64]int{0: 1, 3 * window: 0} {
		s := Scenario{Proxies: 1, Down: true}
		tally := newTally(s)
		m := newMesh(s, tally)
		m.local.full[0] = full
		m.request(request{at: window})
		m.until(window + timeout)
		assert.Equal(t, 1, tally.calls)
		assert.Equal(t, admitted, tally.admitted)
	}
}

func TestMostWithin(t *testing.T) {
	assert.Zero(t, mostWithin(nil, 10))
	assert.Equal(t, 1, mostWithin([]int64{0, 10}, 10))
	assert.Equal(t, 2, mostWithin([]int64{9, 0}, 10))
	assert.Equal(t, 3, mostWithin([]int64{20, 0, 11, 12, 30}, 10))
}

func TestTheSameEachTime(t *testing.T) {
	s := Scenario{Proxies: 100, Load: 1, Skewed: true}
	assert.Equal(t, Run(s), Run(s))
}
