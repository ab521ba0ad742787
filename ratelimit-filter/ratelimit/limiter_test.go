package ratelimit

import (
	"strconv"
	"strings"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// worker is a limiter with its host.
type worker struct {
	*Limiter
	host *hosttest.Host
	now  time.Time
}

func newWorker(t *testing.T, config string) *worker {
	t.Helper()
	c, err := Decode([]byte(config))
	require.NoError(t, err)
	w := &worker{now: time.Unix(1e9, 0)}
	w.host = &hosttest.Host{Clock: func() time.Time { return w.now }}
	w.Limiter, err = Compile(c, w.host, nil, w.host.Random, "test")
	require.NoError(t, err)
	return w
}

// ask decides about a request, with the answer of the service if there is one.
func (w *worker) ask(t *testing.T, answer *Answer, headers ...[2]string) *Result {
	t.Helper()
	w.host.NextRequest(append([][2]string{{":method", "GET"}, {":path", "/"}, {":authority", "a"}}, headers...), nil)
	r, err := request.Load(w.host)
	require.NoError(t, err)
	return w.Decide(r, w.host, answer)
}

// answered asks the service, which says this.
func (w *worker) answered(t *testing.T, statuses []rls.Status, headers ...[2]string) *Result {
	t.Helper()
	res := w.ask(t, nil, headers...)
	require.NotNil(t, res.Question)
	require.Equal(t, len(statuses), res.Descriptors)
	return w.ask(t, &Answer{QuestionID: res.QuestionID, Statuses: statuses, Sent: w.now, Told: w.now}, headers...)
}

func (w *worker) failed(t *testing.T, headers ...[2]string) *Result {
	t.Helper()
	return w.ask(t, &Answer{Failed: true}, headers...)
}

// inFlightNow is how many entries there are of requests in flight.
func (w *worker) inFlightNow() (n int) {
	for key, v := range w.host.Shared {
		if strings.HasPrefix(key, flightNamespace) {
			n += len(v) / flightSize
		}
	}
	return n
}

func user(name string) [2]string { return [2]string{"x", name} }

// A request has all its places and charges, or none.
func TestPlacesAreAllOrNone(t *testing.T) {
	w := newWorker(t, `{
		"limits": [{"name": "rate", "rate": {"requests": 3, "per": "1h"}}],
		"concurrency": [
			{"name": "each", "key": ["header:x"], "max": 1, "overrides": [{"key": ["vip"], "max": 2}, {"key": ["root"], "unlimited": true}]},
			{"name": "try", "mode": "dry-run", "max": 1},
			{"name": "all", "max": 2}]}`)
	first := w.ask(t, nil, user("a"))
	require.Equal(t, decision.Allow, first.Effect)
	require.Len(t, first.Tickets, 3)
	for i := range first.Tickets {
		assert.Equal(t, 1+i, first.Tickets[i].Limit())
	}
	tickets := append([]Ticket(nil), first.Tickets...)
	before := w.inFlightNow()

	res := w.ask(t, nil, user("a"))
	require.Equal(t, denied(429, "each", "all 1 requests that may be in flight are"), res.Decision)
	assert.EqualValues(t, 1, res.Retry)
	assert.Empty(t, res.Tickets)
	assert.Equal(t, before, w.inFlightNow())

	second := w.ask(t, nil, user("vip"))
	require.Equal(t, decision.Allow, second.Effect)
	require.Len(t, second.Tickets, 2)
	require.Equal(t, []decision.Decision{denied(429, "try", "all 1 requests that may be in flight are")}, second.Shadows)
	tickets = append(tickets, second.Tickets...)
	before = w.inFlightNow()
	for _, name := range []string{"vip", "b"} { // the first limit has room, the last has none
		res = w.ask(t, nil, user(name))
		require.Equal(t, denied(429, "all", "all 2 requests that may be in flight are"), res.Decision)
		require.Empty(t, res.Tickets)
		require.Equal(t, before, w.inFlightNow())
	}

	w.Release(w.host, tickets[:3])
	w.Release(w.host, tickets[3:])
	require.Zero(t, w.inFlightNow())
	res = w.ask(t, nil, user("root"))
	require.Equal(t, decision.Allow, res.Effect, "nobody who was refused was charged")
	require.Len(t, res.Tickets, 2)
	w.Release(w.host, append([]Ticket(nil), res.Tickets...))
	res = w.ask(t, nil, user("c"))
	require.Equal(t, "rate", res.Policy)
	require.EqualValues(t, 429, res.Status)
	require.Empty(t, res.Tickets)
	require.Zero(t, w.inFlightNow(), "whom a bucket refuses holds nothing")
}

// Whatever call fails while it is decided, a request that is refused holds nothing, but for what cannot be given back
// before the next tick; and one that is admitted holds all.
func TestPlacesWithFaults(t *testing.T) {
	const config = `{"limits": [{"name": "rate", "rate": {"requests": 9, "per": "1h"}}], "concurrency": [{"name": "one", "max": 1}, {"name": "two", "max": 2}]}`
	for _, for1 := range []int{1, 2, 1000} {
		for at := range 40 {
			w := newWorker(t, config)
			n := 0
			w.host.Fault = func(int, string) bool { n++; return n > at && n <= at+for1 }
			w.host.NextRequest([][2]string{{":method", "GET"}, {":path", "/"}, {":authority", "a"}}, nil)
			var r request.Request
			if r.Load(w.host) != nil {
				continue
			}
			res := w.Decide(&r, w.host, nil)
			w.host.Fault = nil
			w.Tick(w.host)
			if res.Effect == decision.Allow {
				require.Equal(t, 2, w.inFlightNow())
			} else {
				require.EqualValues(t, 503, res.Status)
				require.Zero(t, w.inFlightNow(), "call %d", at)
			}
		}
	}
}

const globally = `"limits": [{"name": "g", "scope": "global", "key": ["header:x"], "rate": {"requests": 10, "per": "1m", "burst": 2}}]`

func TestServiceDecides(t *testing.T) {
	w := newWorker(t, `{"global": {"cluster": "c"}, `+globally+`}`)
	res := w.answered(t, []rls.Status{{Known: true, Remaining: 7, Reset: 30}}, user("a"))
	require.Equal(t, decision.Allow, res.Effect)
	res = w.answered(t, []rls.Status{{Known: true, Over: true, Reset: 20}}, user("a"))
	require.EqualValues(t, 429, res.Status)
	assert.EqualValues(t, 20, res.Retry)
	res = w.ask(t, &Answer{QuestionID: 1, Statuses: []rls.Status{{Known: true}}}, user("b"))
	require.Equal(t, decision.Allow, res.Effect)
	assert.Equal(t, int64(1), w.counter.charges[0].level.Remaining, "an answer to another question is none: this proxy counts")
}

// A service that refuses is obeyed also if it does not say what the limit is, whatever is to be done about errors.
func TestRefusalOfALimitThatIsNotNamed(t *testing.T) {
	for _, onError := range []string{"instance", "allow", "deny"} {
		w := newWorker(t, `{"global": {"cluster": "c", "onError": "`+onError+`"}, `+globally+`}`)
		res := w.answered(t, []rls.Status{{Over: true, Reset: 1}}, user("a"))
		require.EqualValues(t, 429, res.Status, onError)
		assert.Zero(t, res.Events.Unconfigured)
	}
}

func TestServiceThatDoesNotCount(t *testing.T) {
	for onError, want := range map[string]uint32{"instance": 200, "allow": 200, "deny": 503} {
		w := newWorker(t, `{"global": {"cluster": "c", "onError": "`+onError+`"}, `+globally+`}`)
		for i := range 3 {
			res := w.failed(t, user("a"))
			if onError == "instance" && i == 2 {
				want = 429
			}
			require.Equal(t, want, res.Status, onError)
			require.Zero(t, res.Events.Unconfigured)
		}
		res := w.answered(t, []rls.Status{{Reset: 1}}, user("b"))
		require.Equal(t, onError == "deny", res.Effect == decision.Deny)
		require.Equal(t, 1, res.Events.Unconfigured)
	}
}

// The service admits a cost of as much as requests; a proxy that counts alone admits no more than the burst at once. Who waits
// as told must be admitted all the same.
func TestCostOfAProxyThatCountsAlone(t *testing.T) {
	w := newWorker(t, `{"global": {"cluster": "c"}, "limits": [{"name": "g", "scope": "global", "rate": {"requests": 10, "per": "1m", "burst": 2},
		"cost": {"header": "x-cost", "max": 9}}]}`)
	res := w.failed(t, [2]string{"x-cost", "9"})
	require.Equal(t, decision.Allow, res.Effect)
	res = w.failed(t, [2]string{"x-cost", "9"})
	require.EqualValues(t, 429, res.Status)
	w.now = w.now.Add(time.Duration(res.Retry) * time.Second)
	res = w.failed(t, [2]string{"x-cost", "9"})
	require.Equal(t, decision.Allow, res.Effect)
}

// What a limit in dry-run would refuse is not remembered: nobody is to be refused by it.
func TestDryRunIsNotRemembered(t *testing.T) {
	for mode, want := range map[string]int{"dry-run": 0, "enforce": 1} {
		w := newWorker(t, `{"global": {"cluster": "c"}, "limits": [{"name": "g", "mode": "`+mode+`", "scope": "global", "rate": {"requests": 10, "per": "1m"}}]}`)
		w.now = time.Unix(60*1e7, 0)
		res := w.answered(t, []rls.Status{{Known: true, Over: true, Reset: 60}})
		require.Equal(t, mode == "enforce", res.Effect == decision.Deny)
		assert.Equal(t, want, res.Events.Entries)
	}
}

// What is refused without the service costs no call, and no place.
func TestNoCallForWhatIsRefusedAnyway(t *testing.T) {
	w := newWorker(t, `{"global": {"cluster": "c"}, "concurrency": [{"name": "all", "max": 1}], `+globally+`}`)
	res := w.ask(t, nil, user("a"))
	require.NotNil(t, res.Question)
	require.Zero(t, w.inFlightNow(), "who waits holds nothing")
	held := append([]Ticket(nil), w.answered(t, []rls.Status{{Known: true, Remaining: 7, Reset: 30}}, user("a")).Tickets...)
	require.Len(t, held, 1)
	res = w.ask(t, nil, user("b"))
	require.Nil(t, res.Question)
	require.Equal(t, "all", res.Policy)
	require.EqualValues(t, 429, res.Status)
	// One that is refused after the answer, because others were faster.
	w.Release(w.host, held)
	res = w.ask(t, nil, user("b"))
	require.NotNil(t, res.Question)
	id := res.QuestionID
	w.answered(t, []rls.Status{{Known: true, Reset: 30}}, user("c"))
	res = w.ask(t, &Answer{QuestionID: id, Statuses: []rls.Status{{Known: true, Reset: 30}}}, user("b"))
	require.Equal(t, "all", res.Policy)
	require.Empty(t, res.Tickets)
	require.Equal(t, 1, w.inFlightNow())
}

// What the service is asked tells the requests apart that the proxy does.
func TestQuestions(t *testing.T) {
	w := newWorker(t, `{"global": {"cluster": "c", "domain": "d"}, "limits": [
		{"name": "g_1", "scope": "global", "key": ["header:x", "method"], "rate": {"requests": 10, "per": "1m"},
		 "overrides": [{"key": ["vip*", "*"], "rate": {"requests": 20, "per": "1m"}}, {"key": ["root", "GET"], "unlimited": true}]},
		{"name": "try", "mode": "dry-run", "scope": "global", "cost": 0, "costFromResponse": {"header": "y", "max": 5}, "rate": {"requests": 10, "per": "1m"}}]}`)
	const try = " | dry-run=try 0"
	for want, headers := range map[string][][2]string{
		"limit=g%5F1 header:x=a method=GET 1" + try:                        {user("a")},
		"limit=g%5F1 header:x=a,b method=GET 1" + try:                      {user("a"), user("b")},
		"limit=g%5F1 header:x=a%2Cb method=GET 1" + try:                    {user("a,b")},
		"limit=g%5F1 missing=true 1" + try:                                 {},
		"limit=g%5F1 header:x=vip1 method=GET override=vip%2A,%2A 1" + try: {user("vip1")},
		"limit=g%5F1 header:x=vip1,vip1 method=GET 1" + try:                {user("vip1"), user("vip1")},
		"limit=g%5F1 header:x=missing%5Ftrue method=GET 1" + try:           {user("missing_true")},
		strings.TrimPrefix(try, " | "):                                     {user("root")},
	} {
		res := w.ask(t, nil, headers...)
		m := &rlsv3.RateLimitRequest{}
		require.NoError(t, proto.Unmarshal(res.Question[5:], m))
		require.Equal(t, "d", m.GetDomain())
		var list []string
		for _, d := range m.GetDescriptors() {
			text := ""
			for _, e := range d.GetEntries() {
				text += e.GetKey() + "=" + e.GetValue() + " "
			}
			list = append(list, text+strconv.FormatUint(d.GetHitsAddend().GetValue(), 10))
		}
		assert.Equal(t, want, strings.Join(list, " | "))
	}
}

// A response is charged where its request was: by the service, or by this proxy.
func TestResponseIsChargedWhereTheRequestWas(t *testing.T) {
	w := newWorker(t, `{"global": {"cluster": "c"}, "limits": [{"name": "g", "scope": "global", "key": ["header:x"], "cost": 0,
		"costFromResponse": {"header": "y", "max": 50}, "rate": {"requests": 10, "per": "1m"}}]}`)
	owed := append([]Owed(nil), w.answered(t, []rls.Status{{Known: true, Reset: 1}}, user("a")).Owed...)
	w.ask(t, nil, user("another")) // whose question is in the same memory
	question, n, err := w.Charge(w.host, owed, [][2]string{{"y", "7"}}, true)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	m := &rlsv3.RateLimitRequest{}
	require.NoError(t, proto.Unmarshal(question[5:], m))
	require.Equal(t, "a", m.GetDescriptors()[0].GetEntries()[1].GetValue())
	require.EqualValues(t, 7, m.GetDescriptors()[0].GetHitsAddend().GetValue())

	owed = append([]Owed(nil), w.failed(t, user("a")).Owed...)
	question, n, err = w.Charge(w.host, owed, [][2]string{{"y", "11"}}, true)
	require.NoError(t, err)
	require.Nil(t, question)
	require.Zero(t, n)
	res := w.failed(t, user("a"))
	require.EqualValues(t, 429, res.Status)
	require.EqualValues(t, 12, res.Retry, "of a debt of 1, and 1 for itself")
	w.now = w.now.Add(12 * time.Second)
	require.Equal(t, decision.Allow, w.failed(t, user("a")).Effect)
}

func TestResponseCost(t *testing.T) {
	c := &ResponseCost{Header: "y", Max: 50}
	for want, lists := range map[int64][][]string{
		0:  {{}, {"0"}, {"000"}},
		7:  {{"7"}, {"07"}},
		50: {{"50"}, {"51"}, {"-1"}, {""}, {"7", "7"}, {"1.5"}, {"7 "}, {"99999999999999999999"}, {"0x1"}, {"1_0"}},
	} {
		for _, values := range lists {
			headers := [][2]string{{"x", "9"}}
			for _, v := range values {
				headers = append(headers, [2]string{"y", v})
			}
			assert.Equal(t, want, headerCost(headers, c.Header, 0, c.Max), "%q", values)
		}
	}
	// What cannot be read costs the most.
	w := newWorker(t, `{"limits": [{"name": "a", "costFromResponse": {"header": "y", "max": 50}, "rate": {"requests": 10, "per": "1m"}}]}`)
	owed := append([]Owed(nil), w.ask(t, nil).Owed...)
	_, _, err := w.Charge(w.host, owed, nil, false)
	require.NoError(t, err)
	assert.EqualValues(t, 42*6, w.ask(t, nil).Retry)
	w.host.Fault = func(_ int, call string) bool { return call == "SetSharedData" }
	_, _, err = w.Charge(w.host, owed, nil, true)
	require.NoError(t, err, "nothing is owed")
	_, _, err = w.Charge(w.host, owed, [][2]string{{"y", "1"}}, true)
	require.Error(t, err)
}

// A configuration that lists its limits in another order, in the same VM, counts on.
func TestTicketsOfAnotherOrder(t *testing.T) {
	before := newWorker(t, `{"concurrency": [{"name": "a", "max": 1}, {"name": "b", "max": 2}]}`)
	after := newWorker(t, `{"limits": [{"name": "r", "rate": {"requests": 3, "per": "1h"}}], "concurrency": [{"name": "b", "max": 2}, {"name": "a", "max": 1}]}`)
	before.host.ShareWith(after.host)
	limiter, err := Compile(after.config, after.host, nil, after.host.Random, "test") // with the secret that they share
	require.NoError(t, err)
	after.Limiter = limiter
	held := append([]Ticket(nil), before.ask(t, nil).Tickets...)
	require.Len(t, held, 2)
	res := after.ask(t, nil)
	require.Equal(t, "a", res.Policy)
	require.EqualValues(t, 429, res.Status)
	before.Release(before.host, held)
	res = after.ask(t, nil)
	require.Equal(t, decision.Allow, res.Effect)
	require.Equal(t, []int{1, 2}, []int{res.Tickets[0].Limit(), res.Tickets[1].Limit()})
	require.EqualValues(t, 429, before.ask(t, nil).Status)
	after.Release(after.host, append([]Ticket(nil), res.Tickets...))
	require.Zero(t, after.inFlightNow())
}
