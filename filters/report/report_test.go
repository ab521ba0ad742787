package report_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/report"
)

func reporter() *report.Reporter {
	return &report.Reporter{Filter: "authz", Property: "palisade.authz", Mode: decision.Enforce, Audit: decision.AuditDenied}
}

func record(policy string, effect decision.Effect) *decision.Record {
	return &decision.Record{Decision: decision.Decision{Effect: effect, Status: 200, Policy: policy}, Path: "/"}
}

func TestDecisionsAreCountedByPolicyEffectAndMode(t *testing.T) {
	r, h := reporter(), &hosttest.Host{}
	for _, d := range []struct {
		policy string
		effect decision.Effect
	}{
		{"a", decision.Allow}, {"a", decision.Allow}, {"b", decision.Allow}, {"a", decision.Deny}, {"a", decision.Allow},
		{"", decision.Deny},
	} {
		r.Decision(h, record(d.policy, d.effect))
	}
	r.Note(h, record("a", decision.Deny), decision.DryRun)
	const name = "palisade.decisions.filter.authz.effect.%s.policy.%s.mode.%s"
	assert.Equal(t, map[string]int64{
		fmt.Sprintf(name, "allow", "a", "enforce"):   3,
		fmt.Sprintf(name, "allow", "b", "enforce"):   1,
		fmt.Sprintf(name, "deny", "a", "enforce"):    1,
		fmt.Sprintf(name, "deny", "none", "enforce"): 1,
		fmt.Sprintf(name, "deny", "a", "dry-run"):    1,
	}, h.Metrics)
}

// A metric is never deleted: past a bound, decisions are counted together.
func TestTheNumberOfMetricsIsBounded(t *testing.T) {
	const bound = 4096
	r, h := reporter(), &hosttest.Host{}
	for range 2 {
		for i := range bound + 10 {
			r.Decision(h, record(fmt.Sprint("p", i), decision.Allow))
		}
	}
	r.Decision(h, record("p0", decision.Deny))
	assert.Len(t, h.Metrics, bound+2)
	assert.EqualValues(t, 20, h.Metrics["palisade.decisions.filter.authz.effect.allow.policy.other.mode.enforce"])
	assert.EqualValues(t, 2, h.Metrics["palisade.decisions.filter.authz.effect.allow.policy.p0.mode.enforce"])
	assert.EqualValues(t, 1, h.Metrics["palisade.decisions.filter.authz.effect.deny.policy.other.mode.enforce"])
}

// A count that fails is tried again with the next request, under its own name.
func TestMetricsThatCannotBeDefined(t *testing.T) {
	r, h := reporter(), &hosttest.Host{}
	h.Fault = func(_ int, call string) bool { return call == "DefineMetric" }
	r.Decision(h, record("a", decision.Allow))
	assert.Empty(t, h.Metrics)
	h.Fault = nil
	r.Decision(h, record("a", decision.Allow))
	assert.Equal(t, map[string]int64{"palisade.decisions.filter.authz.effect.allow.policy.a.mode.enforce": 1}, h.Metrics)
}

// A policy's name may be a part of the request, which the next one overwrites.
func TestNamesOfPoliciesAreKept(t *testing.T) {
	r, h := reporter(), &hosttest.Host{}
	defined := 0
	for _, policy := range []string{"first", "later", "first", "later"} {
		h.NextRequest([][2]string{{"policy", policy}}, nil)
		headers, err := h.RequestHeaders()
		require.NoError(t, err)
		r.Decision(h, record(headers[0][1], decision.Allow))
		if slices.Contains(h.Calls, "DefineMetric") {
			defined++
		}
	}
	assert.Equal(t, 2, defined, "what is known is not defined again")
	assert.Equal(t, map[string]int64{
		"palisade.decisions.filter.authz.effect.allow.policy.first.mode.enforce": 2,
		"palisade.decisions.filter.authz.effect.allow.policy.later.mode.enforce": 2,
	}, h.Metrics)
}

// quiet is a host that allocates nothing.
type quiet struct{ host.Host }

func (quiet) SetProperty(string, []byte) error                     { return nil }
func (quiet) DefineMetric(host.MetricKind, string) (uint32, error) { return 1, nil }
func (quiet) AddMetric(uint32, int64) error                        { return nil }

func BenchmarkDecision(b *testing.B) { budget.Time(b, decide) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Decision": decide})
}

// decide reports two decisions that are not logged.
func decide(b *budget.Runner) {
	r, d, e := reporter(), record("a", decision.Allow), record("b", decision.Allow)
	b.Op("", func() { r.Decision(quiet{}, d); r.Decision(quiet{}, e) })
}
