package ratelimit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/host"
)

var errBroken = errors.New("broken")

// numbers draws 1, 2, 3 and so on.
func numbers(next uint32) func([]byte) error {
	return func(b []byte) error {
		binary.LittleEndian.PutUint32(b, next)
		next++
		return nil
	}
}

// newInFlight is a worker that is given a number, and the next one if it needs another.
func newInFlight(t testing.TB, s Store, maxKeys int, number uint32) *inFlight {
	t.Helper()
	table, err := openTable(s, noRandom, "test", maxKeys)
	require.NoError(t, err)
	f := openInFlight(&table, numbers(number), "test", 4)
	f.begin(s)
	return &f
}

func aKey(n int) *fingerprint { return &fingerprint{8: byte(n), 9: byte(n >> 8)} }

// take takes a place for one request.
func (f *inFlight) take(t testing.TB, key *fingerprint, highest int64) (Ticket, bool) {
	t.Helper()
	f.begin(f.store)
	admitted, err := f.acquire(key, highest, 0)
	require.NoError(t, err)
	require.Len(t, f.tickets, map[bool]int{true: 1}[admitted])
	if !admitted {
		return Ticket{}, false
	}
	return f.tickets[0], true
}

// taken is how many places of a key are taken, by anybody.
func (f *inFlight) taken(t testing.TB, m *memory, key *fingerprint) int64 {
	t.Helper()
	var l flights
	require.NoError(t, l.read(m, f.slots.of(key)))
	return l.sum(key)
}

// entries are in all slots.
func (m *memory) entries() (n int) {
	for key, v := range m.values {
		if strings.HasPrefix(key, flightNamespace) {
			n += len(v) / flightSize
		}
	}
	return n
}

// flaky fails now and then.
type flaky struct {
	Store
	random *rand.Rand
	often  int // one call in so many
}

func (f *flaky) fails() bool { return f.often > 0 && f.random.IntN(f.often) == 0 }

func (f *flaky) SharedData(key string) ([]byte, uint32, bool, error) {
	if f.fails() {
		return nil, 0, false, errBroken
	}
	return f.Store.SharedData(key)
}

func (f *flaky) SetSharedData(key string, value []byte, cas uint32) error {
	if f.fails() {
		return errBroken
	}
	return f.Store.SetSharedData(key, value, cas)
}

// Whatever the interleaving of workers, losses of swaps and failures, no key has more than its highest in flight; and when all
// is over, nothing is.
func TestInFlightNeverAdmitsTooMany(t *testing.T) {
	const workers, steps = 4, 60
	highest := []int64{1, 2, 5}
	most, lost, admissions, late := make([]int64, len(highest)), 0, 0, 0
	for seed := range uint64(60) {
		m := newMemory()
		turn, ended := make(chan chan struct{}), make(chan struct{})
		var mu sync.Mutex
		held := make([]int64, len(highest))
		all := make([]*inFlight, workers)
		for w := range workers {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			s := &flaky{&stepped{memory: m, turn: turn, losses: random}, random, 25}
			f := newInFlight(t, m, 1, uint32(1+1000*w))
			f.begin(s)
			all[w] = f
			go func() {
				defer func() { ended <- struct{}{} }()
				var tickets []Ticket
				for range steps {
					switch i := random.IntN(2 * len(highest)); {
					case random.IntN(10) == 0:
						f.begin(s)
						f.tick()
					case i < len(highest):
						f.begin(s)
						admitted, err := f.acquire(aKey(i), highest[i], i)
						mu.Lock()
						assert.True(t, err == nil || errors.Is(err, errBroken) && !admitted)
						if admitted {
							admissions++
							held[i]++
							most[i] = max(most[i], held[i])
							assert.LessOrEqual(t, held[i], highest[i], "seed %d", seed)
							tickets = append(tickets, f.tickets...)
						}
						lost += f.lost
						mu.Unlock()
					case len(tickets) > 0:
						n := random.IntN(len(tickets))
						mu.Lock()
						held[tickets[n].Limit()]--
						mu.Unlock()
						f.begin(s)
						f.release(tickets[n : n+1])
						tickets = slices.Delete(tickets, n, n+1)
					}
				}
				mu.Lock()
				for i := range tickets {
					held[tickets[i].Limit()]--
				}
				mu.Unlock()
				f.begin(s)
				f.release(tickets)
			}()
		}
		schedule(m, turn, ended, workers, rand.New(rand.NewPCG(seed, 7)), func(r *rand.Rand) int64 { return r.Int64N(int64(10 * time.Millisecond)) })
		for _, f := range all {
			late += len(f.late)
			f.begin(m)
			f.tick()
			require.Empty(t, f.late)
		}
		require.Zero(t, m.entries(), "seed %d", seed)
	}
	assert.Equal(t, highest, most, "all places are had")
	assert.Greater(t, lost, 500)
	assert.Greater(t, late, 20)
	assert.Greater(t, admissions, 2000)
}

// One after the other, a place is had exactly if one is free, though swaps are lost.
func TestInFlightIsTheModel(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	m := newMemory()
	highest := []int64{1, 3, 4, 100}
	held := make([]int64, len(highest))
	workers := []*inFlight{newInFlight(t, m, 16, 1), newInFlight(t, m, 16, 1000), newInFlight(t, m, 16, 2000)}
	for _, f := range workers {
		f.begin(&unlucky{m, random})
	}
	tickets := make([][]Ticket, len(workers))
	refusals := 0
	for range 20_000 {
		w, i := random.IntN(len(workers)), random.IntN(len(highest))
		f := workers[w]
		m.now += random.Int64N(int64(time.Millisecond))
		free, err := f.look(aKey(i), highest[i])
		require.NoError(t, err)
		require.Equal(t, held[i] < highest[i], free)
		if random.IntN(2) == 0 {
			ticket, admitted := f.take(t, aKey(i), highest[i])
			require.Equal(t, free, admitted)
			if !admitted {
				refusals++
				continue
			}
			require.Equal(t, 0, ticket.Limit())
			ticket.limit = i
			held[i]++
			tickets[w] = append(tickets[w], ticket)
		} else if len(tickets[w]) > 0 {
			n := random.IntN(len(tickets[w]))
			held[tickets[w][n].limit]--
			f.release(tickets[w][n : n+1])
			tickets[w] = slices.Delete(tickets[w], n, n+1)
		}
		for i := range highest {
			require.Equal(t, held[i], f.taken(t, m, aKey(i)))
		}
	}
	assert.Greater(t, refusals, 1000)
}

// unlucky loses some swaps.
type unlucky struct {
	*memory
	random *rand.Rand
}

func (u *unlucky) SetSharedData(key string, value []byte, cas uint32) error {
	if u.random.IntN(4) == 0 {
		return host.ErrCAS
	}
	return u.memory.SetSharedData(key, value, cas)
}

func TestInFlightThatCannotCountRefuses(t *testing.T) {
	for at := range 4 { // the roll, twice, and the slot, twice
		m := newMemory()
		f := newInFlight(t, m, 64, 1)
		f.begin(&faulty{memory: m, at: at, always: errBroken})
		admitted, err := f.acquire(aKey(1), 1, 0)
		require.ErrorIs(t, err, errBroken, "%d", at)
		require.False(t, admitted)
		require.Empty(t, f.tickets)
		require.Zero(t, m.entries())
	}
	m := newMemory()
	f := newInFlight(t, m, 64, 1)
	f.begin(&loser{m})
	_, err := f.acquire(aKey(1), 1, 0)
	require.ErrorIs(t, err, errSwaps)
	f.begin(m)
	f.take(t, aKey(1), 1)
	f.begin(&loser{m})
	_, err = f.acquire(aKey(1), 2, 0)
	require.ErrorIs(t, err, errSwaps)
	assert.Equal(t, maxSwaps, f.lost)

	f.begin(m)
	f.random = func([]byte) error { return errBroken }
	f.worker = 0
	_, err = f.acquire(aKey(1), 2, 0)
	require.ErrorIs(t, err, errBroken)
	_, err = f.look(aKey(1), 2)
	require.NoError(t, err, "to look one needs no number")
}

func TestFlightsThatAreNotOurs(t *testing.T) {
	for _, size := range []int{1, flightSize + 1, maxFlights + flightSize} {
		m := newMemory()
		f := newInFlight(t, m, 1, 1)
		require.NoError(t, m.SetSharedData(f.slots.of(aKey(1)), make([]byte, size), 0))
		admitted, err := f.acquire(aKey(1), 1, 0)
		require.ErrorIs(t, err, errSlot)
		require.False(t, admitted)
	}
	m := newMemory()
	f := newInFlight(t, m, 1, 1)
	require.NoError(t, m.SetSharedData(rollKey, make([]byte, callSize+1), 0))
	_, err := f.acquire(aKey(1), 1, 0)
	require.ErrorIs(t, err, errSlot)
}

// A place that cannot be given back is given back at the next tick that can.
func TestReleaseIsTriedAgain(t *testing.T) {
	for at := range 2 {
		m := newMemory()
		f := newInFlight(t, m, 64, 1)
		a, _ := f.take(t, aKey(1), 2)
		b, _ := f.take(t, aKey(1), 2)
		f.begin(&faulty{memory: m, at: at, always: errBroken})
		f.release([]Ticket{a, b})
		require.EqualValues(t, 2, f.taken(t, m, aKey(1)))
		f.tick()
		require.EqualValues(t, 2, f.taken(t, m, aKey(1)))
		f.begin(m)
		f.tick()
		require.Zero(t, f.taken(t, m, aKey(1)))
		f.tick()
		require.Empty(t, f.late, "once")
	}
	m := newMemory()
	f := newInFlight(t, m, 64, 1)
	a, _ := f.take(t, aKey(1), 2)
	f.begin(&loser{m})
	f.release([]Ticket{a})
	assert.Len(t, f.late, 1)
	assert.Equal(t, maxSwaps, f.lost)
}

// The places of a worker that is dead come back when it has been silent for long, and not before.
func TestDeadWorkersPlacesComeBack(t *testing.T) {
	m := newMemory()
	dead, alive := newInFlight(t, m, 64, 1), newInFlight(t, m, 64, 100)
	for range 3 {
		dead.take(t, aKey(1), 4)
	}
	kept, _ := alive.take(t, aKey(1), 4)
	for m.now < dead.called+int64(silence)-1 {
		m.now = min(m.now+int64(CallPeriod), dead.called+int64(silence)-1)
		alive.tick()
		free, err := alive.look(aKey(1), 4)
		require.NoError(t, err)
		require.False(t, free)
		_, admitted := alive.take(t, aKey(1), 4)
		require.False(t, admitted)
	}
	m.now++
	free, err := alive.look(aKey(1), 4)
	require.NoError(t, err)
	require.True(t, free)
	require.EqualValues(t, 4, alive.taken(t, m, aKey(1)), "who looks takes nothing")
	alive.begin(&loser{m})
	_, err = alive.acquire(aKey(1), 4, 0)
	require.ErrorIs(t, err, errSwaps, "a lost swap is no refusal")
	alive.begin(m)
	for range 3 {
		_, admitted := alive.take(t, aKey(1), 4)
		require.True(t, admitted)
	}
	_, admitted := alive.take(t, aKey(1), 4)
	require.False(t, admitted)
	alive.release([]Ticket{kept})
	require.EqualValues(t, 3, alive.taken(t, m, aKey(1)))
}

// If it cannot be told who is alive, nobody is dead.
func TestNobodyIsDeadWithoutRoll(t *testing.T) {
	m := newMemory()
	dead, alive := newInFlight(t, m, 64, 1), newInFlight(t, m, 64, 100)
	dead.take(t, aKey(1), 1)
	m.now += int64(time.Hour)
	alive.take(t, aKey(2), 1)
	roll := m.values[rollKey]
	for _, broken := range [][]byte{nil, append(slices.Clone(roll), 0)} {
		if m.values[rollKey] = broken; broken == nil {
			delete(m.values, rollKey)
		}
		_, admitted := alive.take(t, aKey(1), 1)
		require.False(t, admitted)
	}
	m.values[rollKey] = roll
	_, admitted := alive.take(t, aKey(1), 1)
	require.True(t, admitted)
}

// A worker that was taken for dead and comes back gives back nothing that is somebody else's, nor its own new places.
func TestStalledWorkerComesBack(t *testing.T) {
	for _, ticks := range []bool{true, false} {
		m := newMemory()
		stalled, other := newInFlight(t, m, 64, 1), newInFlight(t, m, 64, 100)
		a, _ := stalled.take(t, aKey(1), 2)
		b, _ := stalled.take(t, aKey(1), 2)
		elsewhere, _ := stalled.take(t, aKey(2), 1)
		m.now += int64(silence)
		_, admitted := other.take(t, aKey(1), 2)
		require.True(t, admitted)
		if ticks {
			stalled.tick()
		}
		_, admitted = stalled.take(t, aKey(1), 2)
		require.True(t, admitted)
		require.EqualValues(t, 2, stalled.worker)
		stalled.release([]Ticket{a, b})
		require.Empty(t, stalled.late)
		require.EqualValues(t, 2, other.taken(t, m, aKey(1)))
		_, admitted = other.take(t, aKey(1), 2)
		require.False(t, admitted)
		// What nobody has taken away can still be given back.
		stalled.release([]Ticket{elsewhere})
		require.Zero(t, other.taken(t, m, aKey(2)))
	}
}

// A worker without ticks calls when it takes places; and it takes none if it cannot, for it could be taken for dead.
func TestWorkerCallsWhenItsTicksAreLate(t *testing.T) {
	m := newMemory()
	f, other := newInFlight(t, m, 64, 1), newInFlight(t, m, 64, 100)
	f.take(t, aKey(1), 1)
	for range 10 {
		m.now += int64(silence) * 2 / 3
		f.take(t, aKey(2), 100)
	}
	require.EqualValues(t, 1, f.worker)
	_, admitted := other.take(t, aKey(1), 1)
	require.False(t, admitted)
	m.now += int64(silence) * 2 / 3
	f.begin(&faulty{memory: m, at: 1, always: errBroken})
	_, err := f.acquire(aKey(2), 100, 0)
	require.ErrorIs(t, err, errBroken)
}

// hooked does something before a call.
type hooked struct {
	*memory
	before func(call string)
}

func (h *hooked) SharedData(key string) ([]byte, uint32, bool, error) {
	h.before("get " + key)
	return h.memory.SharedData(key)
}

func (h *hooked) SetSharedData(key string, value []byte, cas uint32) error {
	h.before("set " + key)
	return h.memory.SetSharedData(key, value, cas)
}

func (h *hooked) Monotonic() int64 {
	h.before("clock")
	return h.memory.Monotonic()
}

// A worker that is held up while it calls is dead to those who looked meanwhile, so it goes on under another number.
func TestWorkerHeldUpWhileItCalls(t *testing.T) {
	m := newMemory()
	f, other := newInFlight(t, m, 64, 1), newInFlight(t, m, 64, 100)
	held, _ := f.take(t, aKey(1), 1)
	m.now += int64(silence) - 1
	require.NoError(t, other.introduce()) // and does not write the roll again
	f.begin(&hooked{m, func(call string) {
		if call == "set "+rollKey {
			m.now += int64(time.Second)
			_, admitted := other.take(t, aKey(1), 1)
			require.True(t, admitted)
		}
	}})
	f.tick()
	f.begin(m)
	f.take(t, aKey(1), 2)
	f.release([]Ticket{held})
	assert.EqualValues(t, 2, f.taken(t, m, aKey(1)), "what was taken from it is not in what it has now")
}

// Who is held up while it looks at the roll does not take those for dead who have called meanwhile.
func TestLookerHeldUp(t *testing.T) {
	m := newMemory()
	f, other := newInFlight(t, m, 64, 1), newInFlight(t, m, 64, 100)
	f.take(t, aKey(1), 1)
	other.take(t, aKey(2), 1)
	looked := false
	other.begin(&hooked{m, func(call string) {
		if looked && call != "get "+rollKey { // whatever comes after the roll
			for range 20 {
				m.now += int64(CallPeriod)
				f.tick()
			}
		}
		looked = call == "get "+rollKey
	}})
	free, err := other.look(aKey(1), 1)
	require.NoError(t, err)
	assert.False(t, free)
}

// A worker that is held up between its number and its swap, which it loses, takes no place under a number that is dead.
func TestWorkerHeldUpBeforeItsSwap(t *testing.T) {
	m := newMemory()
	f, other := newInFlight(t, m, 64, 1), newInFlight(t, m, 64, 100)
	f.take(t, aKey(1), 3)
	once := false
	f.begin(&hooked{m, func(call string) {
		if !once && strings.HasPrefix(call, "set "+flightNamespace) {
			once = true
			m.now += int64(silence)
			other.tick()
			other.take(t, aKey(1), 1)
		}
	}})
	admitted, err := f.acquire(aKey(1), 3, 0)
	require.NoError(t, err)
	require.True(t, admitted)
	assert.EqualValues(t, 2, f.worker)
	assert.EqualValues(t, 2, f.tickets[0].worker)
}

// A worker that is held up before it looks does not take its own places for a dead one's.
func TestWorkerIsNotDeadToItself(t *testing.T) {
	m := newMemory()
	f := newInFlight(t, m, 64, 1)
	f.take(t, aKey(1), 1)
	m.now += int64(silence)/2 - 1
	f.begin(&hooked{m, func(call string) {
		if strings.HasPrefix(call, "get "+flightNamespace) {
			m.now += int64(silence)
		}
	}})
	admitted, err := f.acquire(aKey(1), 1, 0)
	require.NoError(t, err)
	assert.False(t, admitted)
}

// A slot has room for so many keys times workers. Those of the dead are removed when it is needed.
func TestFullSlot(t *testing.T) {
	m := newMemory()
	dead, alive := newInFlight(t, m, 1, 1), newInFlight(t, m, 1, 100)
	for i := range flightsPerSlot - 1 {
		dead.take(t, aKey(i), 9)
	}
	ticket, admitted := alive.take(t, aKey(1000), 9)
	require.True(t, admitted)
	_, err := alive.acquire(aKey(1001), 9, 0)
	require.ErrorIs(t, err, errFlights)
	_, admitted = alive.take(t, aKey(1000), 9)
	require.True(t, admitted, "an entry that is there counts on")
	_, admitted = dead.take(t, aKey(3), 9)
	require.True(t, admitted)
	require.Len(t, m.values[alive.slots.of(aKey(0))], maxFlights)

	m.now += int64(silence)
	alive.take(t, aKey(1000), 9) // under a new number
	_, admitted = alive.take(t, aKey(1001), 9)
	require.True(t, admitted, "the dead make room")
	alive.release([]Ticket{ticket})
	assert.Equal(t, 2, m.entries())
}

func TestRoll(t *testing.T) {
	m := newMemory()
	var workers []*inFlight
	for i := range maxRoll / callSize {
		f := newInFlight(t, m, 64, uint32(1+i))
		require.NoError(t, f.introduce())
		workers = append(workers, f)
	}
	late := newInFlight(t, m, 64, 1<<20)
	require.ErrorIs(t, late.introduce(), errFull)
	require.Zero(t, late.worker)
	for _, f := range workers { // who is on it may call
		f.tick()
		require.NotZero(t, f.worker)
	}
	require.Len(t, m.values[rollKey], maxRoll)
	m.now += int64(silence) - 1
	workers[0].tick()
	require.Len(t, m.values[rollKey], maxRoll)
	m.now++
	require.NoError(t, late.introduce())
	require.Len(t, m.values[rollKey], 2*callSize, "the dead are struck off")
	workers[1].tick()
	assert.Zero(t, workers[1].worker)
	assert.Len(t, m.values[rollKey], 2*callSize, "and do not come back")
	workers[0].tick()
	assert.EqualValues(t, 1, workers[0].worker)
}

// Two workers that have drawn one number could not be told apart when one dies.
func TestOneNumberForTwo(t *testing.T) {
	m := newMemory()
	first, second := newInFlight(t, m, 64, 7), newInFlight(t, m, 64, 7)
	first.take(t, aKey(1), 9)
	_, err := second.acquire(aKey(1), 9, 0)
	require.ErrorIs(t, err, errWorker)
	_, admitted := second.take(t, aKey(1), 9)
	require.True(t, admitted)
	assert.EqualValues(t, 8, second.worker)

	zero := newInFlight(t, m, 64, 0)
	_, err = zero.acquire(aKey(1), 9, 0)
	require.ErrorIs(t, err, errWorker, "0 is nobody")
}

// Two plugins, or tables of another size, have slots of their own.
func TestSlotsOfOthers(t *testing.T) {
	m := newMemory()
	names := map[string]bool{}
	for _, plugin := range []string{"a", "b", "a\x001"} {
		for _, maxKeys := range []int{1, 64, 128} {
			table, err := openTable(m, noRandom, plugin, maxKeys)
			require.NoError(t, err)
			f := openInFlight(&table, noRandom, plugin, 1)
			names[strings.Clone(f.slots.of(aKey(0)))] = true
			names[strings.Clone(table.slots.of(aKey(0)))] = true
		}
	}
	assert.Len(t, names, 18)
}

func TestFlightsAreRemoved(t *testing.T) {
	var l flights
	for i := range 5 {
		require.True(t, l.add(aKey(i), uint32(i)))
		require.True(t, l.add(aKey(i), uint32(i)))
	}
	require.False(t, l.subtract(aKey(1), 2), "another's")
	require.True(t, l.subtract(aKey(1), 1))
	require.EqualValues(t, 1, l.sum(aKey(1)))
	require.True(t, l.subtract(aKey(1), 1))
	require.False(t, l.subtract(aKey(1), 1))
	for i := range 5 {
		require.EqualValues(t, map[bool]int{true: 2}[i != 1], l.sum(aKey(i)), fmt.Sprint(i))
	}
}

func BenchmarkInFlightRefused(b *testing.B) { budget.Time(b, refuse) }

// refuse has requests beyond the highest, of which there may be many.
func refuse(b *budget.Runner) {
	m := newMemory()
	f := newInFlight(b, m, 64, 1)
	f.take(b, aKey(1), 1)
	b.Op("", func() {
		f.begin(m)
		if admitted, err := f.acquire(aKey(1), 1, 0); admitted || err != nil {
			b.Fatal("admitted")
		}
	})
}
