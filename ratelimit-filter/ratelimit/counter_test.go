package ratelimit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/host"
)

// memory is shared data with a clock that stands until it is moved.
type memory struct {
	values map[string][]byte
	cas    map[string]uint32
	last   uint32
	now    int64
}

func newMemory() *memory {
	return &memory{values: map[string][]byte{}, cas: map[string]uint32{}, now: int64(time.Hour)}
}

func (m *memory) SharedData(key string) ([]byte, uint32, bool, error) {
	v, ok := m.values[key]
	return v, m.cas[key], ok, nil
}

func (m *memory) SetSharedData(key string, value []byte, cas uint32) error {
	if _, ok := m.values[key]; ok && cas != 0 && cas != m.cas[key] {
		return host.ErrCAS
	}
	m.last++
	m.values[string([]byte(key))], m.cas[string([]byte(key))] = append([]byte(nil), value...), m.last
	return nil
}

func (m *memory) Monotonic() int64 { return m.now }

func noRandom(b []byte) error { clear(b); return nil }

func newCounter(t *testing.T, s Store, maxKeys int) *counter {
	t.Helper()
	table, err := openTable(s, noRandom, "test", maxKeys)
	require.NoError(t, err)
	return &counter{table: table}
}

func (c *counter) bucket(name string) fingerprint { return c.table.fingerprint([]byte(name)) }

// left is what a bucket holds, in ns.
func left(t *testing.T, m *memory, c *counter, name string, r *Rate) int64 {
	t.Helper()
	var s slot
	f := c.bucket(name)
	require.NoError(t, c.table.read(m, &f, &s))
	return r.tolerance - max(s.full(&f)-m.now, 0)
}

func rate(t testing.TB, requests int64, per time.Duration, burst int64) *Rate {
	t.Helper()
	r, err := NewRate(requests, per, burst)
	require.NoError(t, err)
	return &r
}

// ask is a charge in a test.
type ask struct {
	name   string
	rate   *Rate
	cost   int64
	dryRun bool
}

func (c *counter) request(s Store, asks []ask) (*charge, error) {
	c.begin(s)
	for i, a := range asks {
		c.add(c.bucket(a.name), a.rate, a.cost, a.dryRun, i)
	}
	return c.take()
}

// reference is a limiter told in the other way: buckets of tokens that are filled as time goes by.
type reference struct {
	last   int64
	tokens map[string]int64 // what they lack, in ns of the rate's interval
}

func (r *reference) request(now int64, asks []ask) (refusedBy int) {
	for name := range r.tokens {
		r.tokens[name] = max(r.tokens[name]-(now-r.last), 0)
	}
	r.last = now
	fits := func(a *ask) bool { return r.tokens[a.name]+a.cost*a.rate.interval <= a.rate.interval*a.rate.Burst }
	for i := range asks {
		if !asks[i].dryRun && !fits(&asks[i]) {
			return i
		}
	}
	for i := range asks {
		if fits(&asks[i]) {
			r.tokens[asks[i].name] += asks[i].cost * asks[i].rate.interval
		}
	}
	return -1
}

// One worker decides as the reference does, and what Retry-After says is right to the second.
func TestCounterIsTheReference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rates := []*Rate{
		rate(t, 10, time.Second, 3), rate(t, 1, time.Minute, 0), rate(t, 7, time.Second, 20), rate(t, 1e9, time.Millisecond, 50),
	}
	refusals, admissions := 0, 0
	for range 30 {
		m := newMemory()
		c := newCounter(t, m, 1000)
		ref := reference{tokens: map[string]int64{}, last: m.now}
		for range 400 {
			m.now += random.Int64N(int64(2 * time.Second))
			var asks []ask
			for i, r := range rates {
				if random.IntN(2) == 0 {
					asks = append(asks, ask{fmt.Sprintf("%d/%d", i, random.IntN(3)), r, 1 + random.Int64N(r.Burst), random.IntN(4) == 0})
				}
			}
			refused, err := c.request(m, asks)
			require.NoError(t, err)
			want := ref.request(m.now, asks)
			if want < 0 {
				admissions++
				require.Nil(t, refused)
				continue
			}
			refusals++
			require.NotNil(t, refused)
			require.Equal(t, want, refused.tag)
			a := asks[want]
			later := func(seconds int64) bool {
				lacks := max(ref.tokens[a.name]-seconds*int64(time.Second), 0)
				return lacks+a.cost*a.rate.interval <= a.rate.interval*a.rate.Burst
			}
			require.True(t, later(refused.retry), "who waits as told is admitted")
			require.True(t, refused.retry == 1 || !later(refused.retry-1), "and is not told to wait longer than needed")
		}
		require.Zero(t, c.events.Evictions)
	}
	assert.Greater(t, refusals, 1000)
	assert.Greater(t, admissions, 1000)
}

// stepped lets workers at the memory one call at a time, in the order of a scheduler.
type stepped struct {
	*memory
	turn   chan chan struct{} // a worker that is about to call asks for its turn
	losses *rand.Rand         // injected
}

func (s *stepped) step() {
	mine := make(chan struct{})
	s.turn <- mine
	<-mine
}

func (s *stepped) SharedData(key string) ([]byte, uint32, bool, error) {
	s.step()
	return s.memory.SharedData(key)
}

func (s *stepped) SetSharedData(key string, value []byte, cas uint32) error {
	s.step()
	if s.losses.IntN(10) == 0 {
		return host.ErrCAS
	}
	return s.memory.SetSharedData(key, value, cas)
}

func (s *stepped) Monotonic() int64 {
	s.step()
	return s.now
}

// admission is a charge that was admitted, at the time that it was decided for.
type admission struct{ at, cost int64 }

// interleave lets workers send requests, their calls in a random order, and gives what each bucket admitted. advance
// moves the clock between two calls.
func interleave(t *testing.T, seed uint64, workers, requests int, advance func(*rand.Rand) int64, asks func(*rand.Rand) []ask) (
	*memory, map[string][]admission, Events,
) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 3))
	m := newMemory()
	turn, ended := make(chan chan struct{}), make(chan struct{})
	var mu sync.Mutex
	admitted := map[string][]admission{}
	var events Events
	for w := range workers {
		c := newCounter(t, m, 64)
		s := &stepped{memory: m, turn: turn, losses: rand.New(rand.NewPCG(seed, uint64(w)))}
		mine := rand.New(rand.NewPCG(seed, uint64(100+w)))
		go func() {
			for range requests {
				list := asks(mine)
				refused, err := c.request(s, list)
				mu.Lock()
				assert.NoError(t, err)
				events.Evictions += c.events.Evictions
				events.LostSwaps += c.events.LostSwaps
				if refused == nil {
					for i := range c.n {
						if k := &c.charges[i]; k.verdict == charged {
							admitted[list[i].name] = append(admitted[list[i].name], admission{k.at, k.cost})
						}
					}
				}
				mu.Unlock()
			}
			ended <- struct{}{}
		}()
	}
	schedule(m, turn, ended, workers, random, advance)
	return m, admitted, events
}

// schedule lets workers go on one call at a time, in a random order, until all have ended.
func schedule(m *memory, turn chan chan struct{}, ended chan struct{}, workers int, random *rand.Rand, advance func(*rand.Rand) int64) {
	// A worker that goes on either asks for its next turn or ends; only then is somebody let in.
	var waiting []chan struct{}
	for alive, busy := workers, workers; ; {
		for ; busy > 0; busy-- {
			select {
			case w := <-turn:
				waiting = append(waiting, w)
			case <-ended:
				alive--
			}
		}
		if alive == 0 {
			return
		}
		m.now += advance(random)
		i := random.IntN(len(waiting))
		next := waiting[i]
		waiting = append(waiting[:i], waiting[i+1:]...)
		busy = 1
		close(next)
	}
}

// Whatever the interleaving, no window of time has more than the rate and the burst admit.
func TestCounterNeverAdmitsTooMuch(t *testing.T) {
	r, other := rate(t, 100, time.Second, 5), rate(t, 300, time.Second, 7)
	total, lost := 0, 0
	for seed := range uint64(60) {
		_, admitted, events := interleave(t, seed, 4, 60,
			func(r *rand.Rand) int64 { return r.Int64N(int64(2 * time.Millisecond)) },
			func(random *rand.Rand) []ask {
				list := []ask{{"one", r, 1 + random.Int64N(2), false}, {"two", other, 1 + random.Int64N(3), false}}
				if random.IntN(2) == 0 {
					list[0], list[1] = list[1], list[0]
				}
				return list[:1+random.IntN(2)]
			})
		lost += events.LostSwaps
		require.Zero(t, events.Evictions)
		for name, rate := range map[string]*Rate{"one": r, "two": other} {
			total += len(admitted[name])
			for _, from := range admitted[name] {
				for _, to := range admitted[name] {
					var sum int64
					for _, a := range admitted[name] {
						if a.at >= from.at && a.at <= to.at {
							sum += a.cost
						}
					}
					require.LessOrEqual(t, sum*rate.interval, rate.tolerance+max(to.at-from.at, 0), "seed %d, %s", seed, name)
				}
			}
		}
	}
	assert.Greater(t, lost, 1000, "the interleavings meet")
	assert.Greater(t, total, 1000)
}

// While the clock stands, exactly the burst is admitted, by all workers together.
func TestCounterAdmitsAll(t *testing.T) {
	r := rate(t, 1, time.Hour, 50)
	for seed := range uint64(30) {
		_, admitted, _ := interleave(t, seed, 4, 20, func(*rand.Rand) int64 { return 0 },
			func(*rand.Rand) []ask { return []ask{{"one", r, 1, false}} })
		require.Len(t, admitted["one"], 50, "seed %d", seed)
	}
}

// Who is refused is charged nothing, though another limit had admitted it: buckets lack what was admitted, to the ns.
func TestCounterChargesAllOrNone(t *testing.T) {
	wide, narrow := rate(t, 1, time.Hour, 100), rate(t, 1, time.Hour, 10)
	refunds := 0
	for seed := range uint64(60) {
		m, admitted, _ := interleave(t, seed, 4, 15, func(*rand.Rand) int64 { return 0 }, func(*rand.Rand) []ask {
			return []ask{{"wide", wide, 1, false}, {"try", wide, 1, true}, {"narrow", narrow, 1, false}}
		})
		c := newCounter(t, m, 64)
		n := int64(len(admitted["narrow"]))
		require.EqualValues(t, 10, n)
		require.Equal(t, wide.tolerance-n*wide.interval, left(t, m, c, "wide", wide), "seed %d", seed)
		require.Equal(t, wide.tolerance-n*wide.interval, left(t, m, c, "try", wide), "seed %d", seed)
		require.Zero(t, left(t, m, c, "narrow", narrow))
		refunds += int(m.last)
	}
	assert.Greater(t, refunds, 60*30, "some were given back")
}

// A charge that is given back late takes nothing from what was charged meanwhile.
func TestGiveBackAfterTheBucketWasFull(t *testing.T) {
	r := rate(t, 1, time.Second, 10)
	m := newMemory()
	a, b := newCounter(t, m, 64), newCounter(t, m, 64)
	_, err := a.request(m, []ask{{"one", r, 2, false}})
	require.NoError(t, err)
	m.now += int64(5 * time.Second)
	_, err = b.request(m, []ask{{"one", r, 3, false}})
	require.NoError(t, err)
	a.giveBack(1)
	assert.Equal(t, 7*r.interval, left(t, m, b, "one", r))
}

func TestCounterGoesOnWithAnotherRate(t *testing.T) {
	m := newMemory()
	c := newCounter(t, m, 64)
	slow, fast := rate(t, 1, time.Hour, 5), rate(t, 1, time.Second, 2)
	for range 5 {
		refused, err := c.request(m, []ask{{"one", slow, 1, false}})
		require.NoError(t, err)
		require.Nil(t, refused)
	}
	refused, err := c.request(m, []ask{{"one", fast, 1, false}})
	require.NoError(t, err)
	require.NotNil(t, refused, "what was used stays used")
	assert.EqualValues(t, 1, refused.retry, "but no longer than the new rate has it")
	m.now += int64(time.Second)
	refused, err = c.request(m, []ask{{"one", fast, 1, false}})
	require.NoError(t, err)
	require.Nil(t, refused)
}

// With more keys than there is room for, keys that are hardly used go, and those that are used up stay.
func TestEvictionSparesHotKeys(t *testing.T) {
	m := newMemory()
	c := newCounter(t, m, usualPerSlot) // one slot
	r := rate(t, 1, time.Hour, 3)
	for range 3 {
		_, err := c.request(m, []ask{{"hot", r, 1, false}})
		require.NoError(t, err)
	}
	evictions := 0
	for i := range 200 {
		refused, err := c.request(m, []ask{{fmt.Sprint("cold", i), r, 1, false}})
		require.NoError(t, err)
		require.Nil(t, refused)
		evictions += c.events.Evictions
		refused, err = c.request(m, []ask{{"hot", r, 1, false}})
		require.NoError(t, err)
		require.NotNil(t, refused, "after %d cold keys", i)
	}
	assert.Equal(t, 200-(entriesPerSlot-1), evictions)
	assert.Len(t, m.values, 2, "the secret, and one slot")

	// Buckets that are full again make room without a loss.
	m.now += int64(100 * time.Hour)
	for i := range entriesPerSlot {
		_, err := c.request(m, []ask{{fmt.Sprint("new", i), r, 1, false}})
		require.NoError(t, err)
		assert.Zero(t, c.events.Evictions)
	}
}

// faulty fails at one call.
type faulty struct {
	*memory
	calls, at int
	always    error
}

func (f *faulty) fail() error {
	if f.calls++; f.calls > f.at {
		return f.always
	}
	return nil
}

func (f *faulty) SharedData(key string) ([]byte, uint32, bool, error) {
	if err := f.fail(); err != nil {
		return nil, 0, false, err
	}
	return f.memory.SharedData(key)
}

func (f *faulty) SetSharedData(key string, value []byte, cas uint32) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.memory.SetSharedData(key, value, cas)
}

func TestCounterThatCannotCountRefuses(t *testing.T) {
	r := rate(t, 10, time.Second, 0)
	broken := errors.New("broken")
	for at := range 2 {
		m := newMemory()
		c := newCounter(t, m, 64)
		refused, err := c.request(&faulty{memory: m, at: at, always: broken}, []ask{{"one", r, 1, false}})
		require.ErrorIs(t, err, broken)
		require.NotNil(t, refused)
		refused, err = c.request(&faulty{memory: m, at: at, always: broken}, []ask{{"one", r, 1, true}})
		require.NoError(t, err, "a dry run refuses nobody")
		require.Nil(t, refused)
	}

	m := newMemory()
	c := newCounter(t, m, 64)
	refused, err := c.request(&loser{m}, []ask{{"one", r, 1, false}})
	require.ErrorIs(t, err, errSwaps)
	require.NotNil(t, refused)
	assert.Equal(t, maxSwaps, c.events.LostSwaps)

	m.values[namespace+"secret"] = []byte("short")
	_, err = openTable(m, noRandom, "test", 64)
	require.ErrorIs(t, err, errSlot)
	_, err = openTable(&loser{newMemory()}, noRandom, "test", 64)
	require.ErrorIs(t, err, errSecret)
}

// loser never wins a swap.
type loser struct{ *memory }

func (*loser) SetSharedData(string, []byte, uint32) error { return host.ErrCAS }

func TestSlotThatIsNotOurs(t *testing.T) {
	r := rate(t, 10, time.Second, 0)
	for _, garbage := range []int{1, entrySize + 1, slotSize + entrySize} {
		m := newMemory()
		c := newCounter(t, m, 1)
		f := c.bucket("one")
		require.NoError(t, m.SetSharedData(c.table.slots.of(&f), make([]byte, garbage), 0))
		refused, err := c.request(m, []ask{{"one", r, 1, false}})
		require.ErrorIs(t, err, errSlot)
		require.NotNil(t, refused)
	}
}

func TestRate(t *testing.T) {
	r := rate(t, 3, time.Second, 0)
	assert.EqualValues(t, 333333334, r.interval, "rounded up")
	assert.Equal(t, "3 per 1s", r.String())
	assert.Equal(t, "3 per 1s (5 at once)", rate(t, 3, time.Second, 5).String())
	_, err := NewRate(1, MaxPer, 74)
	require.ErrorIs(t, err, errTolerance)
	rate(t, 1, MaxPer, 70)
	rate(t, MaxRequests, MinPer, MaxRequests)
}

func TestWorkersShareTheSecret(t *testing.T) {
	m := newMemory()
	n := byte(0)
	random := func(b []byte) error { n++; b[0] = n; return nil }
	a, err := openTable(m, random, "test", 64)
	require.NoError(t, err)
	b, err := openTable(m, random, "test", 64)
	require.NoError(t, err)
	assert.Equal(t, a.fingerprint([]byte("x")), b.fingerprint([]byte("x")))
	assert.NotEqual(t, a.fingerprint([]byte("x")), a.fingerprint([]byte("y")))
}

func BenchmarkCharge(b *testing.B) { budget.Time(b, chargeOne) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Charge": chargeOne, "InFlightRefused": refuse})
}

func chargeOne(b *budget.Runner) {
	m := newMemory()
	table, err := openTable(m, noRandom, "test", 64)
	require.NoError(b, err)
	c := &counter{table: table}
	r := rate(b, 1e9, time.Second, 0)
	f := c.bucket("one")
	b.Op("", func() {
		c.begin(m)
		c.add(f, r, 1, false, 0)
		if refused, err := c.take(); refused != nil || err != nil {
			b.Fatal(err)
		}
	})
}
