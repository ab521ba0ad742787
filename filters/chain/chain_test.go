package chain_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/chain"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
)

// handler is a filter whose callbacks are functions; nil ones continue.
type handler struct {
	request          func(h host.Host) host.Action
	response         func(h host.Host) host.Action
	tick, end        func(h host.Host)
	answer           func(h host.Host, call host.CallID)
	closed, requests int
}

func (s *handler) RequestHeaders(h host.Host) host.Action {
	s.requests++
	if s.request == nil {
		return host.Continue
	}
	return s.request(h)
}

func (s *handler) ResponseHeaders(h host.Host) host.Action {
	if s.response == nil {
		return host.Continue
	}
	return s.response(h)
}

func (s *handler) StreamEnd(h host.Host) {
	if s.end != nil {
		s.end(h)
	}
}

func (s *handler) Tick(h host.Host) {
	if s.tick != nil {
		s.tick(h)
	}
}

func (s *handler) HTTPResponse(h host.Host, call host.CallID, _ uint32) {
	if s.answer != nil {
		s.answer(h, call)
	}
}

func (s *handler) Close() { s.closed++ }

func start(t *testing.T, h host.Host, handlers ...host.Handler) *chain.Chain {
	t.Helper()
	starts := make([]chain.Start, len(handlers))
	for i := range handlers {
		starts[i] = func(host.Host) (host.Handler, error) { return handlers[i], nil }
	}
	c, err := chain.New(h, starts...)
	require.NoError(t, err)
	return c
}

func refuse(h host.Host) host.Action {
	_ = h.Reply(403, nil, nil, -1)
	return host.Stop
}

var peer = []string{"connection", "uri_san_peer_certificate"}

func TestWhoeverStopsEndsIt(t *testing.T) {
	for at := range 4 {
		handlers := []*handler{{}, {}, {}}
		if at < 3 {
			handlers[at].request = refuse
		}
		h := &hosttest.Host{}
		c := start(t, h, handlers[0], handlers[1], handlers[2])
		assert.Equal(t, host.Action(at == 3), c.RequestHeaders(h))
		for i := range handlers {
			want := 1
			if i > at {
				want = 0
			}
			assert.Equal(t, want, handlers[i].requests, "%d of a chain that %d stops", i, at)
		}
	}
}

// What one stage makes of the headers is what the next sees, and what the host has; the list that a stage was given stays
// as it was.
func TestChangesAreSeen(t *testing.T) {
	headers := [][2]string{{":method", "GET"}, {":path", "/?t=1"}, {"a", "1"}, {"b", "2"}, {"a", "3"}, {"c", "4"}}
	remove := func(name string) func(host.Host) error {
		return func(h host.Host) error { return h.RemoveRequestHeader(name) }
	}
	set := func(name, value string) func(host.Host) error {
		return func(h host.Host) error { return h.SetRequestHeader(name, value) }
	}
	for name, changes := range map[string][]func(host.Host) error{
		"none":                {},
		"removed":             {remove("a")},
		"all removed":         {remove("a"), remove("b"), remove("c")},
		"one that is absent":  {remove("x")},
		"in capitals":         {remove("A"), set("C", "5")},
		"set":                 {set("a", "5")},
		"set twice":           {set("a", "5"), set("a", "6"), set("new", "7")},
		"set and removed":     {set("new", "5"), remove("new")},
		"a pseudo-header":     {remove("a"), set(":path", "/"), set("new", "7")},
		"added":               {remove("a"), func(h host.Host) error { return h.AddRequestHeader("a", "5") }, set("c", "6")},
		"more than there was": {set("n1", ""), set("n2", ""), set("n3", ""), set("n4", ""), set("n5", ""), set("n6", ""), set("n7", "")},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hosttest.Host{}
			// Twice by two stages, so that both buffers are in use, and again by a warm chain.
			changing := func(h host.Host, changes []func(host.Host) error) host.Action {
				before, err := h.RequestHeaders()
				require.NoError(t, err)
				copied := append([][2]string(nil), before...)
				for _, change := range changes {
					require.NoError(t, change(h))
				}
				assert.Equal(t, copied, before, "under the hands of a stage")
				return host.Continue
			}
			first := func(h host.Host) host.Action { return changing(h, changes) }
			other := func(h host.Host) host.Action {
				return changing(h, []func(host.Host) error{remove("b"), set("z", "1"), remove(":method")})
			}
			seen := 0
			looking := func(v host.Host) host.Action {
				got, err := v.RequestHeaders()
				require.NoError(t, err)
				assert.ElementsMatch(t, h.Headers, got)
				seen++
				return host.Continue
			}
			c := start(t, h, &handler{request: first}, &handler{request: looking}, &handler{request: other}, &handler{request: looking})
			for range 3 {
				h.NextRequest(headers, nil)
				require.Equal(t, host.Continue, c.RequestHeaders(h))
			}
			assert.Equal(t, 6, seen)
		})
	}
}

// A host that fails to change a header is asked what there is now.
func TestFailedChangesAreNotSeen(t *testing.T) {
	h := &hosttest.Host{}
	h.Fault = func(_ int, call string) bool { return call == "RemoveRequestHeader" || call == "SetRequestHeader" }
	again := false
	changing := func(h host.Host) host.Action {
		_, err := h.RequestHeaders()
		require.NoError(t, err)
		if again {
			assert.Error(t, h.SetRequestHeader("b", "2"))
		} else {
			assert.Error(t, h.RemoveRequestHeader("a"))
		}
		return host.Continue
	}
	looking := func(v host.Host) host.Action {
		got, err := v.RequestHeaders()
		require.NoError(t, err)
		assert.Equal(t, [][2]string{{"a", "1"}}, got)
		return host.Continue
	}
	c := start(t, h, &handler{request: changing}, &handler{request: looking})
	for _, call := range []string{"RemoveRequestHeader", "SetRequestHeader"} {
		h.NextRequest([][2]string{{"a", "1"}}, nil)
		require.Equal(t, host.Continue, c.RequestHeaders(h))
		assert.Equal(t, []string{"RequestHeaders", call, "RequestHeaders"}, h.Calls)
		again = true
	}
}

func TestTheHostIsAskedOnce(t *testing.T) {
	h := &hosttest.Host{}
	asking := func(uri, claims string) func(v host.Host) host.Action {
		return func(v host.Host) host.Action {
			_, err := v.RequestHeaders()
			require.NoError(t, err)
			for range 2 {
				value, _, err := v.Property(peer)
				require.NoError(t, err)
				assert.Equal(t, uri, string(value))
				value, found, err := v.Property([]string{"palisade.jwt"})
				require.NoError(t, err)
				assert.Equal(t, claims, string(value))
				assert.Equal(t, claims != "", found)
			}
			return host.Continue
		}
	}
	publishing := func(v host.Host) host.Action {
		require.NoError(t, v.SetProperty("palisade.jwt", []byte("{}")))
		return host.Continue
	}
	first, second := &handler{}, &handler{}
	c := start(t, h, first, &handler{request: publishing}, second)
	for _, uri := range []string{"a", "b"} { // what was remembered is not the next request's
		first.request, second.request = asking(uri, ""), asking(uri, "{}")
		h.NextRequest([][2]string{{"a", "1"}}, map[string]string{"connection.uri_san_peer_certificate": uri})
		require.Equal(t, host.Continue, c.RequestHeaders(h))
		assert.Equal(t, []string{"RequestHeaders", "Property", "Property", "SetProperty"}, h.Calls)
		assert.Equal(t, "{}", h.Properties["palisade.jwt"], "others read it at the host")
	}
}

// What the stages have of a request is what each would have loaded, whatever those before it have changed.
func TestTheRequestIsShared(t *testing.T) {
	original := [][2]string{
		{":method", "GET"}, {":path", "/a/../b?t=1"}, {":authority", "A.example"}, {"content-type", "application/grpc"},
		{"x-request-id", "1"}, {"a", "1"},
	}
	for name, change := range map[string]func(host.Host) error{
		"nothing":      func(host.Host) error { return nil },
		"a header":     func(h host.Host) error { return h.RemoveRequestHeader("a") },
		"one more":     func(h host.Host) error { return h.AddRequestHeader("a", "2") },
		"a new one":    func(h host.Host) error { return h.SetRequestHeader("b", "2") },
		"the path":     func(h host.Host) error { return h.SetRequestHeader(":path", "/c/./d") },
		"the method":   func(h host.Host) error { return h.SetRequestHeader(":method", "PUT") },
		"the host":     func(h host.Host) error { return h.SetRequestHeader(":authority", "b.example") },
		"the type":     func(h host.Host) error { return h.SetRequestHeader("content-type", "text/plain") },
		"no type":      func(h host.Host) error { return h.RemoveRequestHeader("content-type") },
		"the ID":       func(h host.Host) error { return h.SetRequestHeader("x-request-id", "2") },
		"in capitals":  func(h host.Host) error { return h.SetRequestHeader("X-Request-Id", "2") },
		"another host": func(h host.Host) error { return h.AddRequestHeader(":authority", "b.example") },
	} {
		t.Run(name, func(t *testing.T) {
			h := &hosttest.Host{}
			seen := 0
			looking := func(v host.Host) host.Action {
				want, wantErr := request.Load(h)
				var own request.Request
				got, err := request.Of(v, &own)
				require.Equal(t, wantErr, err)
				if err != nil {
					seen++
					return host.Continue
				}
				assert.ElementsMatch(t, want.Headers(), got.Headers())
				for _, level := range []match.Normalization{match.Base, match.None, match.Base} {
					normal, other, err := got.Paths(level)
					require.NoError(t, err)
					wantNormal, err := match.NormalPath(want.RawPath(), level)
					require.NoError(t, err)
					assert.Equal(t, []string{wantNormal, ""}, []string{normal, other})
				}
				assert.Equal(t, []any{want.Method(), want.Target(), want.Host(), want.ID(), want.IsGRPC()},
					[]any{got.Method(), got.Target(), got.Host(), got.ID(), got.IsGRPC()})
				seen++
				return host.Continue
			}
			changing := func(v host.Host) host.Action {
				looking(v)
				require.NoError(t, change(v))
				return host.Continue
			}
			c := start(t, h, &handler{request: changing}, &handler{request: looking}, &handler{request: looking})
			for range 2 {
				h.NextRequest(original, nil)
				require.Equal(t, host.Continue, c.RequestHeaders(h))
				h.NextRequest([][2]string{{":method", "PUT"}, {":path", "/x"}, {":authority", "x.example"}, {"x-request-id", "x"}}, nil)
				require.Equal(t, host.Continue, c.RequestHeaders(h))
			}
			assert.Equal(t, 12, seen)
		})
	}
}

// memory is a host that leaves each request's ID where it has left that of the one before.
type memory struct {
	hosttest.Host
	id []byte
}

func (m *memory) RequestHeaders() ([][2]string, error) {
	return [][2]string{{":method", "GET"}, {":path", "/"}, {"x-request-id", unsafe.String(&m.id[0], len(m.id))}}, nil
}

func TestRecordsAreOfTheirRequest(t *testing.T) {
	h := &memory{id: make([]byte, 1)}
	recording := func(name string) *handler {
		reporter := report.Reporter{Property: name}
		return &handler{request: func(v host.Host) host.Action {
			r, err := request.Of(v, &request.Request{})
			require.NoError(t, err)
			reporter.Decision(v, &decision.Record{RequestID: r.ID()})
			return host.Continue
		}}
	}
	c := start(t, h, recording("a"), recording("b"))
	for id := byte('1'); id < '5'; id++ {
		h.id[0] = id
		require.Equal(t, host.Continue, c.RequestHeaders(h))
		for _, name := range []string{"a", "b"} {
			assert.Contains(t, h.Properties[name], `"requestId":"`+string(rune(id))+`"`, name)
		}
	}
}

func TestPropertiesAreToldApart(t *testing.T) {
	h := &hosttest.Host{}
	path := []string{"connection", "a", "b"}
	asking := func(v host.Host) host.Action {
		for range 2 {
			for n := 2; n <= 3; n++ {
				value, _, err := v.Property(path[:n])
				require.NoError(t, err)
				assert.Equal(t, strings.Join(path[:n], "."), string(value))
			}
		}
		return host.Continue
	}
	c := start(t, h, &handler{request: asking})
	h.NextRequest([][2]string{{"a", "1"}}, map[string]string{"connection.a": "connection.a", "connection.a.b": "connection.a.b"})
	require.Equal(t, host.Continue, c.RequestHeaders(h))
	assert.Equal(t, []string{"Property", "Property"}, h.Calls)
}

// Neither what fails nor what changes is remembered.
func TestWhatIsNotRemembered(t *testing.T) {
	h := &hosttest.Host{}
	h.Fault = func(_ int, call string) bool {
		return call == "Property" || call == "RequestHeaders" || call == "SetProperty"
	}
	asked := func(v host.Host) host.Action {
		_, _, err := v.Property(peer)
		assert.Error(t, err)
		_, err = v.RequestHeaders()
		assert.Error(t, err)
		assert.Error(t, v.SetProperty("palisade.jwt", []byte("{}")))
		_, _, err = v.Property([]string{"palisade.jwt"})
		assert.Error(t, err)
		h.Fault = nil
		value, _, err := v.Property(peer)
		require.NoError(t, err)
		assert.Equal(t, "x", string(value))
		_, found, err := v.Property([]string{"palisade.jwt"})
		require.NoError(t, err)
		assert.False(t, found, "nobody has published it")
		for _, now := range []string{"1", "2"} {
			h.Properties["request.duration"] = now
			value, _, err = v.Property([]string{"request", "duration"})
			require.NoError(t, err)
			assert.Equal(t, now, string(value))
		}
		return host.Continue
	}
	c := start(t, h, &handler{request: asked})
	h.NextRequest([][2]string{{"a", "1"}}, map[string]string{"connection.uri_san_peer_certificate": "x"})
	require.Equal(t, host.Continue, c.RequestHeaders(h))
}

// A request that waited at one stage goes on at the next, which may have it wait, too.
func TestWaiting(t *testing.T) {
	h := &hosttest.Host{}
	waiting := func() *handler {
		streams := map[host.CallID]host.StreamID{}
		w := &handler{}
		w.request = func(v host.Host) host.Action {
			id, err := v.HTTPCall("c", nil, nil, time.Second)
			require.NoError(t, err)
			streams[id] = v.Stream()
			return host.Stop
		}
		w.answer = func(v host.Host, call host.CallID) {
			if stream, mine := streams[call]; mine && v.Enter(stream) {
				require.NoError(t, v.Resume())
			}
		}
		return w
	}
	last := &handler{}
	seen := map[host.StreamID]string{}
	last.request = func(v host.Host) host.Action {
		headers, err := v.RequestHeaders()
		require.NoError(t, err)
		seen[v.Stream()] = strings.Clone(headers[0][1])
		if headers[0][1] == "bad" {
			return refuse(v)
		}
		return host.Continue
	}
	h.Clusters = []string{"c"}
	c := start(t, h, waiting(), &handler{}, waiting(), last)
	respond := func(id host.CallID, size uint32) { c.HTTPResponse(h, id, size) }
	var streams []host.StreamID
	for _, name := range []string{"good", "bad", "other"} {
		h.NextRequest([][2]string{{"name", name}}, nil)
		require.Equal(t, host.Stop, c.RequestHeaders(h))
		streams = append(streams, h.Stream())
	}
	for call := range 3 { // at the first stage
		h.Answer(host.CallID(call+1), "200", "", respond)
		assert.False(t, h.Resumed, "it waits at the next")
	}
	assert.Empty(t, seen)
	require.Len(t, h.HTTPCalls, 6)
	h.Answer(5, "200", "", respond) // of the second request
	assert.False(t, h.Resumed)
	require.NotNil(t, h.Sent)
	h.Answer(4, "200", "", respond)
	assert.True(t, h.Resumed)
	assert.Nil(t, h.Sent)
	assert.Equal(t, map[host.StreamID]string{streams[0]: "good", streams[1]: "bad"}, seen)
	h.EndRequest(streams[2])
	h.Answer(6, "200", "", respond)
	assert.Len(t, seen, 2, "whose client did not wait")
}

// One callback may let several requests go on, each of which is seen as it is.
func TestSeveralGoOn(t *testing.T) {
	h := &hosttest.Host{}
	var streams []host.StreamID
	waits := &handler{
		request: func(v host.Host) host.Action { streams = append(streams, v.Stream()); return host.Stop },
		answer: func(v host.Host, _ host.CallID) {
			for _, stream := range streams {
				require.True(t, v.Enter(stream))
				require.NoError(t, v.RemoveRequestHeader("a"))
				require.NoError(t, v.Resume())
			}
		},
	}
	var seen []string
	last := &handler{request: func(v host.Host) host.Action {
		headers, err := v.RequestHeaders()
		require.NoError(t, err)
		uri, _, err := v.Property(peer)
		require.NoError(t, err)
		seen = append(seen, headers[0][1]+" "+string(uri))
		return host.Continue
	}}
	c := start(t, h, waits, last)
	for _, name := range []string{"1", "2"} {
		h.NextRequest([][2]string{{"a", "x"}, {"name", name}}, map[string]string{"connection.uri_san_peer_certificate": "uri-" + name})
		require.Equal(t, host.Stop, c.RequestHeaders(h))
	}
	c.HTTPResponse(h, 1, 0)
	assert.Equal(t, []string{"1 uri-1", "2 uri-2"}, seen)
}

// A host that does not let a request go on is told to whoever resumes it.
func TestResumeFails(t *testing.T) {
	h := &hosttest.Host{}
	var stream host.StreamID
	var failed error
	waits := &handler{
		request: func(v host.Host) host.Action { stream = v.Stream(); return host.Stop },
		answer: func(v host.Host, _ host.CallID) {
			require.True(t, v.Enter(stream))
			failed = v.Resume()
		},
	}
	c := start(t, h, waits)
	require.Equal(t, host.Stop, c.RequestHeaders(h))
	h.Fault = func(_ int, call string) bool { return call == "Resume" }
	c.HTTPResponse(h, 1, 0)
	assert.ErrorIs(t, failed, hosttest.ErrFault)
}

func TestResponsesAndTheEnd(t *testing.T) {
	h := &hosttest.Host{}
	var order []string
	follower := func(name string) *handler {
		return &handler{
			response: func(host.Host) host.Action { order = append(order, "response "+name); return host.Continue },
			end:      func(host.Host) { order = append(order, "end "+name) },
		}
	}
	a, b := follower("a"), follower("b")
	c := start(t, h, a, b)
	assert.Equal(t, host.Continue, c.ResponseHeaders(h))
	c.StreamEnd(h)
	assert.Equal(t, []string{"response b", "response a", "end a", "end b"}, order)
	b.response = func(host.Host) host.Action { return host.Stop }
	assert.Equal(t, host.Stop, c.ResponseHeaders(h))
	c.Close()
	assert.Equal(t, 1, a.closed)
	assert.Equal(t, 1, b.closed)
}

// Each stage ticks at its own period.
func TestTicks(t *testing.T) {
	now := time.Unix(1e9, 0)
	h := &hosttest.Host{Clock: func() time.Time { return now }}
	var counts [3]int
	var again host.Host
	ticking := func(i int, period time.Duration) chain.Start {
		return func(v host.Host) (host.Handler, error) {
			s := &handler{tick: func(v host.Host) {
				counts[i]++
				again = v
			}}
			if period == 0 {
				return s, nil
			}
			return s, v.SetTick(period)
		}
	}
	c, err := chain.New(h, ticking(0, time.Second), ticking(1, 2*time.Second), ticking(2, 0))
	require.NoError(t, err)
	pass := func(total time.Duration) {
		for end := now.Add(total); now.Before(end); {
			now = now.Add(h.Ticking)
			c.Tick(h)
		}
	}
	assert.Equal(t, time.Second, h.Ticking)
	pass(10 * time.Second)
	assert.Equal(t, [3]int{10, 5, 0}, counts)

	counts = [3]int{}
	for range 4 {
		now = now.Add(time.Second - 30*time.Millisecond) // a timer may be early
		c.Tick(h)
	}
	assert.Equal(t, [3]int{4, 2, 0}, counts)

	fast := &handler{request: func(v host.Host) host.Action {
		require.NoError(t, v.SetTick(20*time.Millisecond))
		return host.Continue
	}}
	counts = [3]int{}
	c, err = chain.New(h, ticking(0, time.Second), func(host.Host) (host.Handler, error) { return fast, nil }, ticking(2, 2*time.Second))
	require.NoError(t, err)
	c.RequestHeaders(h)
	assert.Equal(t, 20*time.Millisecond, h.Ticking)
	pass(10 * time.Second)
	assert.Equal(t, [3]int{10, 0, 5}, counts)
	require.NoError(t, again.SetTick(0))
	assert.Equal(t, 20*time.Millisecond, h.Ticking, "another one ticks on")

	h.Fault = func(_ int, call string) bool { return call == "SetTick" }
	require.Error(t, again.SetTick(time.Millisecond))
	h.Fault = nil
	c.RequestHeaders(h)
	assert.Equal(t, 20*time.Millisecond, h.Ticking, "what failed was not asked for")
	h.Fault = func(_ int, call string) bool { return call == "SetTick" }
	_, err = chain.New(h, ticking(0, time.Second))
	assert.Error(t, err)
}

func TestErrorsOfAllAreTold(t *testing.T) {
	fail := func(n int) chain.Start {
		return func(host.Host) (host.Handler, error) { return nil, errors.New("mistake " + strconv.Itoa(n)) }
	}
	_, err := chain.New(&hosttest.Host{}, fail(1), fail(2))
	assert.EqualError(t, err, "mistake 1\nmistake 2")
	_, err = chain.New(&hosttest.Host{}, func(host.Host) (host.Handler, error) { return inspector{}, nil })
	assert.Error(t, err, "its bodies would pass unseen")
}

type inspector struct {
	host.Handler
	host.Inspector
}
