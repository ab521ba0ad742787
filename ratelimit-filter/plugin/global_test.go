package plugin_test

import (
	"strings"
	"testing"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

const cluster = "ratelimit"

// counting is a rate limit service that counts in one window.
type counting struct {
	limit  uint32
	reset  time.Duration
	counts map[string]uint64
	asked  []*rls.RateLimitRequest
}

func (s *counting) answer(t *testing.T, body string) []byte {
	t.Helper()
	request := &rls.RateLimitRequest{}
	require.Equal(t, body[:1], "\x00", "not compressed")
	require.Len(t, body[5:], int(uint32(body[1])<<24|uint32(body[2])<<16|uint32(body[3])<<8|uint32(body[4])))
	require.NoError(t, proto.Unmarshal([]byte(body[5:]), request))
	s.asked = append(s.asked, request)
	response := &rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OK}
	for _, d := range request.GetDescriptors() {
		name := entries(d)
		if s.counts == nil {
			s.counts = map[string]uint64{}
		}
		s.counts[name] += d.GetHitsAddend().GetValue()
		status := &rls.RateLimitResponse_DescriptorStatus{
			Code:               rls.RateLimitResponse_OK,
			CurrentLimit:       &rls.RateLimitResponse_RateLimit{RequestsPerUnit: s.limit, Unit: rls.RateLimitResponse_RateLimit_HOUR},
			DurationUntilReset: durationpb.New(s.reset),
		}
		if s.counts[name] > uint64(s.limit) {
			status.Code, response.OverallCode = rls.RateLimitResponse_OVER_LIMIT, rls.RateLimitResponse_OVER_LIMIT
		} else {
			status.LimitRemaining = s.limit - uint32(s.counts[name])
		}
		response.Statuses = append(response.Statuses, status)
	}
	b, err := proto.Marshal(response)
	require.NoError(t, err)
	return b
}

// entries is a descriptor in words.
func entries(d *common.RateLimitDescriptor) string {
	var list []string
	for _, e := range d.GetEntries() {
		list = append(list, e.GetKey()+"="+e.GetValue())
	}
	return strings.Join(list, " ")
}

// worker is one with a handler.
type worker struct {
	*testing.T
	host    *hosttest.Host
	handler host.Handler
	now     *time.Time
}

// atHalfPast is in the middle of a window of an hour.
var atHalfPast = time.Unix(1_000_000*3600+1800, 0)

func newWorker(t *testing.T, config string) *worker {
	t.Helper()
	now := atHalfPast
	w := &worker{T: t, now: &now}
	w.host = &hosttest.Host{Config: []byte(config), Clusters: []string{cluster}, Clock: func() time.Time { return *w.now }}
	w.handler = start(t, w.host)
	return w
}

// another is another worker of the same proxy.
func (w *worker) another() *worker {
	o := &worker{T: w.T, now: w.now}
	o.host = &hosttest.Host{Config: w.host.Config, Clusters: []string{cluster}, Clock: w.host.Clock}
	w.host.ShareWith(o.host)
	o.handler = start(w.T, o.host)
	return o
}

// ask sends a request that is to wait, and gives its call.
func (w *worker) ask(a asked) host.CallID {
	w.Helper()
	before := len(w.host.HTTPCalls)
	require.Equal(w, host.Stop, a.send(w.T, w.handler, w.host))
	require.Nil(w, w.host.Sent, "it waits")
	require.Len(w, w.host.HTTPCalls, before+1)
	return host.CallID(len(w.host.HTTPCalls))
}

func (w *worker) respond(id host.CallID, size uint32) {
	w.handler.(host.Background).HTTPResponse(w.host, id, size)
}

// answered has a service answer a call, and tells whether the request goes on.
func (w *worker) answered(s *counting, id host.CallID) bool {
	w.Helper()
	w.host.AnswerGRPC(id, s.answer(w.T, w.host.HTTPCalls[id-1].Body), "0", w.respond)
	return w.passed()
}

func (w *worker) passed() bool {
	w.Helper()
	require.NotEqual(w, w.host.Sent != nil, w.host.Resumed, "either it was refused or it goes on")
	return w.host.Resumed
}

// decided sends a request that is not to wait.
func (w *worker) decided(a asked) bool {
	w.Helper()
	before := len(w.host.HTTPCalls)
	action := a.send(w.T, w.handler, w.host)
	require.Len(w, w.host.HTTPCalls, before, "nobody was asked")
	require.Equal(w, action == host.Stop, w.host.Sent != nil)
	return action == host.Continue
}

func globalConfig(limit, more string) string {
	return `{"global": {"cluster": "` + cluster + `", "timeout": "70ms"` + more + `}, "limits": [` + limit + `]}`
}

const (
	perUser = `{"name": "per_user", "key": ["header:x", "method"], "rate": {"requests": 3, "per": "1h"}, "scope": "global",
		"overrides": [{"key": ["a_lice", "*"], "rate": {"requests": 5, "per": "1h"}}, {"key": ["batch", "*"], "unlimited": true}]}`
	forAll = `{"name": "all", "rate": {"requests": 3, "per": "1h"}, "scope": "global"}`
)

func TestQuestion(t *testing.T) {
	s := &counting{limit: 10, reset: time.Hour}
	w := newWorker(t, globalConfig(perUser+`, {"name": "costly", "key": ["query:q"], "cost": {"header": "y", "max": 9}, "mode": "dry-run",
		"rate": {"requests": 50, "per": "1m"}, "scope": "global"}`, `, "domain": "mesh"`))
	for _, c := range []struct {
		request asked
		want    []string
		hits    uint64
	}{
		{asked{path: "/?q=1", headers: [][2]string{{"x", "bob"}, {"y", "7"}}}, []string{"limit=per%5Fuser header:x=bob method=GET", "dry-run=costly query:q=1"}, 7},
		{asked{path: "/?q=1&q=a,b", headers: [][2]string{{"x", "a_lice"}, {"y", "-1"}}}, []string{
			"limit=per%5Fuser header:x=a%5Flice method=GET override=a%5Flice,%2A", "dry-run=costly query:q=1,a%2Cb",
		}, 9},
		{asked{headers: [][2]string{{"x", "b_method_GET"}, {"x", ""}}}, []string{
			"limit=per%5Fuser header:x=b%5Fmethod%5FGET, method=GET", "dry-run=costly missing=true",
		}, 1},
		{asked{path: "/?q=*", headers: [][2]string{{"y", "10"}}}, []string{"limit=per%5Fuser missing=true", "dry-run=costly query:q=%2A"}, 9},
		{header("batch"), []string{"dry-run=costly missing=true"}, 1},
		{header(strings.Repeat("a", 257)), []string{
			"limit=per%5Fuser header:x=%sha256: method=GET",
			"dry-run=costly missing=true",
		}, 1},
	} {
		id := w.ask(c.request)
		assert.True(t, w.answered(s, id))
		question := s.asked[len(s.asked)-1]
		assert.Equal(t, "mesh", question.GetDomain())
		require.Len(t, question.GetDescriptors(), len(c.want))
		for i, d := range question.GetDescriptors() {
			if strings.Contains(c.want[i], "sha256") {
				assert.Regexp(t, `^limit=per%5Fuser header:x=%sha256:[0-9a-f]{64} method=GET$`, entries(d))
				continue
			}
			assert.Equal(t, c.want[i], entries(d))
		}
		assert.Equal(t, c.hits, question.GetDescriptors()[len(c.want)-1].GetHitsAddend().GetValue())
	}
	call := w.host.HTTPCalls[0]
	assert.Equal(t, cluster, call.Cluster)
	assert.Equal(t, 70*time.Millisecond, call.Timeout)
	for _, want := range [][2]string{
		{":path", "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		assert.Contains(t, call.Headers, want)
	}
}

func TestServiceDecides(t *testing.T) {
	s := &counting{limit: 3, reset: 30 * time.Minute}
	w := newWorker(t, globalConfig(forAll, ""))
	other := w.another()
	for i, at := range []*worker{w, other, w} {
		require.True(t, at.answered(s, at.ask(asked{})), "request %d", i)
		assert.Contains(t, at.host.Properties["palisade.ratelimit"], `"effect":"allow","policy":"all"`)
	}
	follower := w.handler.(host.Follower)
	follower.ResponseHeaders(w.host)
	assert.Contains(t, w.host.Response, [2]string{"ratelimit", `"all";r=0;t=1800`})
	assert.Contains(t, w.host.Response, [2]string{"ratelimit-policy", `"all";q=3;w=3600`})

	require.False(t, other.answered(s, other.ask(asked{})))
	assert.EqualValues(t, 429, other.host.Sent.Status)
	assert.Equal(t, "1800", other.host.Sent.Header("retry-after"))
	assert.Contains(t, other.host.Sent.Body, "quota-exceeded")

	// All workers know now, and nobody asks until the window is over.
	for _, at := range []*worker{w, other} {
		*w.now = atHalfPast.Add(10*time.Minute + time.Millisecond)
		require.False(t, at.decided(asked{}))
		assert.Equal(t, "1200", at.host.Sent.Header("retry-after"))
	}
	*w.now = atHalfPast.Add(30*time.Minute - 1)
	require.False(t, w.decided(asked{}))
	*w.now = atHalfPast.Add(30 * time.Minute)
	s.counts, s.reset = nil, time.Hour
	assert.True(t, w.answered(s, w.ask(asked{})))
	assert.EqualValues(t, 1, w.host.Metrics["palisade.ratelimit_service.result.ok"]+other.host.Metrics["palisade.ratelimit_service.result.ok"]-3)
	assert.EqualValues(t, 1, other.host.Metrics["palisade.ratelimit_service.result.over_limit"])
}

// What costs less than what was refused may have room.
func TestOnlyWhatCostsLeastIsRemembered(t *testing.T) {
	s := &counting{limit: 10, reset: 30 * time.Minute}
	w := newWorker(t, globalConfig(`{"name": "all", "cost": {"header": "y", "max": 50}, "rate": {"requests": 50, "per": "1h"}, "scope": "global"}`, ""))
	costly := asked{headers: [][2]string{{"y", "20"}}}
	require.False(t, w.answered(s, w.ask(costly)))
	s.counts = nil // a service that does not count what it refuses
	require.True(t, w.answered(s, w.ask(asked{})))
}

// An answer is for the request as it was when it was asked about.
func TestAnswerToAnotherQuestion(t *testing.T) {
	s := &counting{limit: 3, reset: time.Hour}
	w := newWorker(t, globalConfig(perUser, `, "onError": "deny"`))
	id := w.ask(header("a"))
	w.host.Headers[len(w.host.Headers)-1][1] = "b"
	require.False(t, w.answered(s, id))
	assert.EqualValues(t, 503, w.host.Sent.Status)
}

// A limit in dry-run asks, and refuses nobody, whatever the answer.
func TestGlobalDryRun(t *testing.T) {
	s := &counting{limit: 0, reset: time.Hour}
	w := newWorker(t, globalConfig(strings.Replace(forAll, `"scope"`, `"mode": "dry-run", "scope"`, 1), `, "onError": "deny"`))
	for range 2 {
		require.True(t, w.answered(s, w.ask(asked{})))
		assert.EqualValues(t, 1, strings.Count(strings.Join(w.host.Logs, ""), `"mode":"dry-run","effect":"deny","policy":"all"`))
	}
	w.host.Answer(w.ask(asked{}), "503", "no", w.respond)
	require.True(t, w.passed())
}

// Answers that are none.
var failures = map[string]func(w *worker, s *counting, id host.CallID){
	"no answer": func(w *worker, _ *counting, id host.CallID) { w.host.Answer(id, "", "", w.respond) },
	"503": func(w *worker, _ *counting, id host.CallID) {
		w.host.Answer(id, "503", "no healthy upstream", w.respond)
	},
	"200, no gRPC":  func(w *worker, _ *counting, id host.CallID) { w.host.Answer(id, "200", "hello", w.respond) },
	"gRPC failed":   func(w *worker, _ *counting, id host.CallID) { w.host.AnswerGRPC(id, nil, "2", w.respond) },
	"empty message": func(w *worker, _ *counting, id host.CallID) { w.host.AnswerGRPC(id, nil, "0", w.respond) },
	"garbage":       func(w *worker, _ *counting, id host.CallID) { w.host.AnswerGRPC(id, []byte("garbage"), "0", w.respond) },
	"about more": func(w *worker, s *counting, id host.CallID) {
		answer := s.answer(w.T, w.host.HTTPCalls[id-1].Body)
		w.host.AnswerGRPC(id, append(answer, answer...), "0", w.respond)
	},
	"too long": func(w *worker, _ *counting, id host.CallID) {
		w.host.AnswerGRPC(id, make([]byte, 1<<17), "0", w.respond)
	},
}

func TestServiceFails(t *testing.T) {
	for name, fail := range failures {
		for onError, admitted := range map[string]int{"instance": 3, "allow": 6, "deny": 0} {
			t.Run(name+", "+onError, func(t *testing.T) {
				s := &counting{limit: 100, reset: time.Hour}
				w := newWorker(t, globalConfig(forAll, `, "onError": "`+onError+`"`))
				passed := 0
				for i := range 6 {
					var ok bool
					if i < 3 {
						fail(w, s, w.ask(asked{}))
						ok = w.passed()
					} else { // after three failures it is left alone
						ok = w.decided(asked{})
					}
					if ok {
						passed++
					} else if onError == "deny" {
						assert.EqualValues(t, 503, w.host.Sent.Status)
					} else {
						assert.EqualValues(t, 429, w.host.Sent.Status)
						assert.Equal(t, "1200", w.host.Sent.Header("retry-after"))
					}
				}
				assert.Equal(t, admitted, passed)
				assert.EqualValues(t, 3, w.host.Metrics["palisade.ratelimit_service.result.error"])
				assert.EqualValues(t, 3, w.host.Metrics["palisade.ratelimit_service.result.skipped"])

				// One request tries again, and the others do not wait for it.
				*w.now = w.now.Add(time.Second)
				id := w.ask(header("probe"))
				w.decided(asked{})
				w.host.AnswerGRPC(id, s.answer(t, w.host.HTTPCalls[id-1].Body), "0", w.respond)
				require.True(t, w.answered(s, w.ask(asked{})), "it is back")
			})
		}
	}
}

// A cluster that the proxy does not have, and a limit that the service does not.
func TestNotConfigured(t *testing.T) {
	w := newWorker(t, globalConfig(forAll, `, "onError": "deny"`))
	w.host.Clusters = nil
	require.False(t, w.decided(asked{}))
	assert.EqualValues(t, 503, w.host.Sent.Status)

	w = newWorker(t, globalConfig(forAll, `, "onError": "deny"`))
	answer, err := proto.Marshal(&rls.RateLimitResponse{
		OverallCode: rls.RateLimitResponse_OK,
		Statuses:    []*rls.RateLimitResponse_DescriptorStatus{{Code: rls.RateLimitResponse_OK}},
	})
	require.NoError(t, err)
	w.host.AnswerGRPC(w.ask(asked{}), answer, "0", w.respond)
	require.False(t, w.passed())
	assert.EqualValues(t, 503, w.host.Sent.Status)
	assert.EqualValues(t, 1, w.host.Metrics["palisade.errors.filter.ratelimit.kind.unconfigured_limit"])
}

// The service is not asked about what others refuse, nor about who is unlimited.
func TestNotAsked(t *testing.T) {
	w := newWorker(t, globalConfig(perUser+`, {"name": "local", "key": ["header:z"], "onMissingKey": "skip", "rate": {"requests": 1, "per": "1h"}}`, ""))
	s := &counting{limit: 100, reset: time.Hour}
	require.True(t, w.decided(header("batch")))
	z := asked{headers: [][2]string{{"x", "a"}, {"z", "1"}}}
	require.True(t, w.answered(s, w.ask(z)))
	require.False(t, w.decided(z))
	assert.Contains(t, w.host.Properties["palisade.ratelimit"], `"policy":"local"`)
}

// A request of whom nobody is left is not decided on, and whoever comes meanwhile is not taken for it.
func TestClientLeaves(t *testing.T) {
	w := newWorker(t, globalConfig(forAll, ""))
	s := &counting{limit: 1, reset: time.Hour}
	gone := w.ask(asked{})
	stream := w.host.Stream()
	stays := w.ask(asked{})
	w.host.EndRequest(stream)
	w.host.AnswerGRPC(gone, s.answer(t, w.host.HTTPCalls[gone-1].Body), "0", w.respond)
	assert.False(t, w.host.Resumed)
	assert.Nil(t, w.host.Sent)
	require.False(t, w.answered(s, stays), "what it was charged stays charged")
}

// Whatever fails in the host while a request is refused, it does not pass.
func TestFaultsOfGlobalLimits(t *testing.T) {
	s := &counting{limit: 0, reset: time.Hour}
	for _, lasting := range []bool{false, true} {
		for n := 0; ; n++ {
			w := newWorker(t, globalConfig(forAll, `, "onError": "deny"`))
			w.host.NextRequest([][2]string{{":method", "GET"}, {":path", "/"}, {":authority", "a"}}, nil)
			base, hit := 0, false
			w.host.Fault = func(i int, _ string) bool {
				fails := base+i == n || lasting && base+i > n
				hit = hit || fails
				return fails
			}
			action := w.handler.RequestHeaders(w.host)
			require.Equal(t, host.Stop, action)
			if w.host.Sent == nil && len(w.host.HTTPCalls) == 1 {
				w.host.AnswerGRPC(1, s.answer(t, w.host.HTTPCalls[0].Body), "0", w.respond)
			}
			require.False(t, w.host.Resumed, "call %d, lasting %v: %v", n, lasting, w.host.Calls)
			if !hit {
				break
			}
		}
	}
}

// Wherever it stops, the plugin's memory of calls is bounded.
func TestTooManyWait(t *testing.T) {
	w := newWorker(t, globalConfig(forAll, `, "onError": "deny"`))
	for range 1024 {
		w.ask(asked{})
	}
	require.Zero(t, w.host.Metrics["palisade.ratelimit_service.result.skipped"])
	require.False(t, w.decided(asked{}))
	assert.EqualValues(t, 503, w.host.Sent.Status)
}
