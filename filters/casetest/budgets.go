package casetest

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

const (
	// warmUp is how many equal requests a worker has had before one is looked at: metrics are then defined, and tokens known.
	warmUp = 3
	// counted is how many requests' allocations are counted.
	counted = 10
)

// NativeBudgets compares the calls of the host that a filter makes with those that package budget's file has for it.
func NativeBudgets(t *testing.T, f host.Filter) {
	forEachBudget(t, f.Name, func(t *testing.T, r *budgeted) {
		handler, err := f.Configure(r.host)
		require.NoError(t, err)
		r.warm(t, native{handler, r.host})
		r.budget.Calls = withoutAdapter(r.budget.Calls)
		budget.CheckCalls(t, f.Name, r.budget, r.host.Calls)
	})
}

// withoutAdapter leaves out the call that package sdk makes by itself, to see whether a stream that it enters has ended.
func withoutAdapter(calls []string) (kept []string) {
	for i, name := range calls {
		if i == 0 || calls[i-1] != "Enter" || name != "Property" {
			kept = append(kept, name)
		}
	}
	return kept
}

// WasmBudgets does the same with a compiled filter, and with what it allocates. Each object is garbage: time in every
// request, and a pause in some.
func WasmBudgets(t *testing.T, filter, artifact string) {
	m, err := wasmtest.Load(t.Context(), artifact)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	forEachBudget(t, filter, func(t *testing.T, r *budgeted) {
		vm, err := m.Start(t.Context(), r.host)
		require.NoError(t, err)
		defer func() { require.NoError(t, vm.Close()) }()
		r.warm(t, compiled{t, vm})
		calls := r.host.Calls
		var counts []uint64
		for range counted {
			before, err := vm.Allocations()
			require.NoError(t, err)
			r.run(t, compiled{t, vm})
			after, err := vm.Allocations()
			require.NoError(t, err)
			counts = append(counts, after-before)
		}
		budget.CheckModule(t, filter, r.budget, calls, counts)
	})
}

// budgeted is a request that has a budget, with the host that it comes to.
type budgeted struct {
	budget     *budget.Request
	host       *hosttest.Host
	headers    [][2]string
	properties map[string]string
	repeat     int // requests that come before one of which it is known whether it passes
	passes     bool
}

// serviceCluster is the cluster of the rate limit service where there is one.
const serviceCluster = "ratelimit"

func forEachBudget(t *testing.T, filter string, test func(t *testing.T, r *budgeted)) {
	t.Helper()
	file, root := budget.Find(t)
	require.NotEmpty(t, file.Requests[filter], "%s has no request for %s", budget.Name, filter)
	for i := range file.Requests[filter] {
		b := &file.Requests[filter][i]
		t.Run(b.Name, func(t *testing.T) { test(t, newBudgeted(t, b, filepath.Join(root, b.Table))) })
	}
}

// newBudgeted makes the host of a case. Its clock stands still, so that nothing is due that is not in each request.
func newBudgeted(t *testing.T, b *budget.Request, table string) *budgeted {
	t.Helper()
	for _, c := range Load(t, table).Cases {
		if c.Name != b.Case {
			continue
		}
		h, now := c.host(t), time.Now()
		h.Clock = func() time.Time { return now }
		if b.Service != "" {
			h.Clusters = []string{serviceCluster}
		}
		passes := (c.Expect.Passes || c.Expect.Effect == decision.Allow) && b.Service != rls.RateLimitResponse_OVER_LIMIT.String()
		return &budgeted{b, h, h.Headers, h.Properties, c.Repeat, passes}
	}
	require.Fail(t, "no such case", "%s: %s", table, b.Case)
	return nil
}

// warm sends the requests that make a worker warm; the last is one of those that count.
func (r *budgeted) warm(t *testing.T, d driven) {
	t.Helper()
	for range r.repeat {
		r.host.NextRequest(r.headers, r.properties)
		d.begin()
	}
	for range warmUp {
		r.run(t, d)
	}
}

// run sends the request once more, with the same token.
func (r *budgeted) run(t *testing.T, d driven) {
	t.Helper()
	h := r.host
	h.NextRequest(r.headers, r.properties)
	asked := len(h.HTTPCalls)
	if r.budget.Body != "" {
		d.all(r.budget.Body)
	} else {
		d.begin()
	}
	if r.budget.Service != "" {
		require.Len(t, h.HTTPCalls, asked+1, "the service is asked")
		code, known := rls.RateLimitResponse_Code_value[r.budget.Service]
		require.True(t, known, r.budget.Service)
		h.AnswerGRPC(host.CallID(len(h.HTTPCalls)), ServiceAnswer(t, rls.RateLimitResponse_Code(code)), "0", d.respond)
		d.end()
		require.Equal(t, r.passes, h.Resumed)
	}
	require.Equal(t, r.passes, h.Sent == nil, "whether it passes; %s", strings.Join(h.Logs, "\n"))
}

// ServiceAnswer is what the rate limit service says of one limit, which is far from used up.
func ServiceAnswer(t *testing.T, code rls.RateLimitResponse_Code) []byte {
	t.Helper()
	status := &rls.RateLimitResponse_DescriptorStatus{
		Code:           code,
		CurrentLimit:   &rls.RateLimitResponse_RateLimit{RequestsPerUnit: 1000, Unit: rls.RateLimitResponse_RateLimit_HOUR},
		LimitRemaining: 900, DurationUntilReset: durationpb.New(30 * time.Minute),
	}
	b, err := proto.Marshal(&rls.RateLimitResponse{OverallCode: code, Statuses: []*rls.RateLimitResponse_DescriptorStatus{status}})
	require.NoError(t, err)
	return b
}

// driven is a filter that is given a request: all of it, or as far as it waits for an answer, and then the rest.
type driven interface {
	begin()
	respond(call host.CallID, bodySize uint32)
	end()
	// all is a request with a body, to its end.
	all(body string)
}

type native struct {
	handler host.Handler
	host    *hosttest.Host
}

func (n native) begin() {
	if n.handler.RequestHeaders(n.host) == host.Continue || n.host.Sent != nil {
		n.end()
	}
}

func (n native) respond(call host.CallID, bodySize uint32) {
	n.handler.(host.Background).HTTPResponse(n.host, call, bodySize)
}

func (n native) end() { respond(n.handler, n.host, host.Continue) }

func (n native) all(body string) {
	n.host.End = false
	n.handler.RequestHeaders(n.host)
	if n.host.Sent == nil {
		n.host.Body, n.host.End = body, true
		n.handler.(host.Inspector).RequestBody(n.host, uint32(len(body)))
	}
	n.handler.(host.Follower).StreamEnd(n.host)
}

type compiled struct {
	t  *testing.T
	vm *wasmtest.VM
}

func (c compiled) begin() {
	_, err := c.vm.Request()
	require.NoError(c.t, err)
}

func (c compiled) respond(call host.CallID, bodySize uint32) {
	require.NoError(c.t, c.vm.First().HTTPResponse(call, bodySize))
}

func (c compiled) end() { require.NoError(c.t, c.vm.First().Finish()) }

func (c compiled) all(body string) {
	_, err := c.vm.First().RequestWithBody(body)
	require.NoError(c.t, err)
}
