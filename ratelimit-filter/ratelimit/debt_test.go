package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// indebted is a rate whose buckets may lack more than they hold.
func indebted(t testing.TB, requests int64, per time.Duration, burst int64) *Rate {
	t.Helper()
	r := rate(t, requests, per, burst)
	r.debt = true
	return r
}

// Who owes is admitted when Retry-After is over, not a second earlier, and never sees less than nothing left.
func TestDebt(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	refusals, admissions := 0, 0
	for _, r := range []*Rate{
		indebted(t, 100, time.Minute, 20), indebted(t, 1, time.Second, 1), indebted(t, 7, time.Hour, 3), indebted(t, 1e9, time.Millisecond, 50),
	} {
		m := newMemory()
		c := newCounter(t, m, 1000)
		f := c.bucket("one")
		var lacks int64 // ns
		for range 2000 {
			pass := random.Int64N(2*r.tolerance + 1)
			m.now += pass
			lacks = max(lacks-pass, 0)
			if random.IntN(3) == 0 {
				cost := random.Int64N(3 * r.Burst)
				c.begin(m)
				require.NoError(t, c.owe(&f, r, cost))
				lacks += cost * r.interval
			}
			require.Equal(t, r.tolerance-lacks, left(t, m, c, "one", r))
			cost := random.Int64N(r.Burst + 1)
			fits := func(lacks int64) bool { return lacks+max(cost, 1)*r.interval <= r.tolerance }
			refused, err := c.request(m, []ask{{"one", r, cost, false}})
			require.NoError(t, err)
			level := c.charges[0].level
			require.Equal(t, fits(lacks), refused == nil)
			if refused == nil {
				admissions++
				lacks += cost * r.interval
				require.Equal(t, (r.tolerance-lacks)/r.interval, level.Remaining)
				continue
			}
			refusals++
			require.Equal(t, max(r.tolerance-lacks, 0)/r.interval, level.Remaining)
			require.Equal(t, seconds(lacks), level.Full)
			wait := refused.retry * int64(time.Second)
			require.True(t, fits(max(lacks-wait, 0)))
			require.True(t, refused.retry == 1 || !fits(max(lacks-wait+int64(time.Second), 0)))
		}
	}
	assert.Greater(t, refusals, 1000)
	assert.Greater(t, admissions, 1000)
}

// A debt at the bounds of everything is no overflow, which would be a full bucket.
func TestDebtAtTheBounds(t *testing.T) {
	for _, now := range []int64{0, int64(time.Hour), int64(70 * 365 * 24 * time.Hour)} {
		for _, r := range []*Rate{
			indebted(t, 1, MaxPer, 1), indebted(t, 1, MaxPer, 70), indebted(t, MaxRequests, MinPer, MaxRequests), indebted(t, 1, MinPer, MaxRequests),
			indebted(t, MaxRequests, MaxPer, 0), indebted(t, 1, time.Second, MaxRequests), indebted(t, MaxRequests, MinPer, 1),
		} {
			for _, full := range []int64{0, now, now + r.tolerance, now + maxTolerance} {
				for _, cost := range []int64{0, 1, MaxRequests - 1, MaxRequests} {
					owed := r.owe(full, now, cost)
					require.GreaterOrEqual(t, owed, max(full, now), "it never shrinks")
					require.LessOrEqual(t, owed, now+maxTolerance, "nor grows without bound")
					if cost <= maxTolerance/r.interval && max(full, now)+cost*r.interval <= now+maxTolerance {
						require.Equal(t, max(full, now)+cost*r.interval, owed)
					}
					next, admitted := r.Charge(owed, now, min(cost, r.Burst))
					require.Equal(t, owed-now <= r.tolerance-max(min(cost, r.Burst), 1)*r.interval, admitted)
					require.GreaterOrEqual(t, next, owed)
					level := r.level(owed, now)
					require.GreaterOrEqual(t, level.Remaining, int64(0))
					require.Equal(t, seconds(owed-now), level.Full)
					require.GreaterOrEqual(t, level.Full, int64(0))
					if !admitted {
						wait := max(seconds(next-now-r.tolerance), 1) * int64(time.Second)
						_, admitted = r.Charge(owed, now+wait, min(cost, r.Burst))
						require.True(t, admitted)
					}
				}
			}
		}
	}
}

// A bucket without debts takes what it lacks beyond its burst for another rate's; one with debts believes it.
func TestDebtIsNotForgotten(t *testing.T) {
	for debt, want := range map[bool]int64{false: 1, true: 51} {
		r := rate(t, 1, time.Second, 10)
		r.debt = debt
		m := newMemory()
		c := newCounter(t, m, 64)
		f := c.bucket("one")
		c.begin(m)
		require.NoError(t, c.owe(&f, r, 60))
		for range 2 {
			refused, err := c.request(m, []ask{{"one", r, 1, false}})
			require.NoError(t, err)
			require.NotNil(t, refused)
			assert.Equal(t, want, refused.retry)
		}
	}
}

// Buckets with debts are of one rate.
func TestDebtsAreOfOneRate(t *testing.T) {
	names := map[string]bool{}
	for _, r := range []*Rate{
		indebted(t, 1, time.Second, 1), indebted(t, 1, time.Second, 2), indebted(t, 2, time.Second, 2), rate(t, 1, time.Second, 1),
	} {
		names[string(r.appendTo([]byte("x")))] = true
	}
	assert.Len(t, names, 4)
	assert.Equal(t, "x", string(rate(t, 5, time.Second, 1).appendTo([]byte("x"))))
}

func TestOweWhatCannotBeCounted(t *testing.T) {
	r := indebted(t, 1, time.Second, 1)
	for at := range 2 {
		m := newMemory()
		c := newCounter(t, m, 64)
		f := c.bucket("one")
		c.begin(&faulty{memory: m, at: at, always: errBroken})
		require.ErrorIs(t, c.owe(&f, r, 1), errBroken)
	}
	m := newMemory()
	c := newCounter(t, m, 64)
	f := c.bucket("one")
	c.begin(&loser{m})
	require.ErrorIs(t, c.owe(&f, r, 1), errSwaps)
}
