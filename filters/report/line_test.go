package report_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/report"
)

// row is a host of filters in a row.
type row struct {
	*hosttest.Host
	operation *report.Operation
}

func (r row) Operation() *report.Operation { return r.operation }

// variants are records each of which differs from another one in one member only.
func variants() []decision.Record {
	common := decision.Record{
		Decision:  decision.Decision{Effect: decision.Allow, Status: 200, Policy: "p", Rule: "rules[0]", Reason: "it matches"},
		Principal: "example.org/ns/shop/sa/backend", RequestPrincipal: "https://idp.example/alice", RemoteIP: "192.0.2.1",
		Method: "GET", Host: "a.example", Path: "/some/path", RequestID: "8f7c1e0a-53a5-4d0c-9c30-8a2a3a4b5c6d",
	}
	list := []decision.Record{common}
	for _, change := range []func(r *decision.Record){
		func(r *decision.Record) { r.Effect, r.Status = decision.Deny, 403 },
		func(r *decision.Record) { r.Effect = decision.Deny },
		func(r *decision.Record) { r.Status = 201 },
		func(r *decision.Record) { r.Policy = "q" },
		func(r *decision.Record) { r.Policy = "" },
		func(r *decision.Record) { r.Rule = "rules[1]" },
		func(r *decision.Record) { r.Rule, r.Reason = "", "rules[0]it matches" },
		func(r *decision.Record) { r.Reason = "it matched" },
		func(r *decision.Record) { r.Reason = strings.Repeat("very ", 100) + "long" },
		func(r *decision.Record) { r.Principal = "" },
		func(r *decision.Record) { r.RequestPrincipal = "https://idp.example/clara" },
		func(r *decision.Record) { r.RemoteIP = "192.0.2.2" },
		func(r *decision.Record) { r.Method = "PUT" },
		func(r *decision.Record) { r.Method, r.Host = "GETa", ".example" },
		func(r *decision.Record) { r.Host = "b.example" },
		func(r *decision.Record) { r.Path = "/some/\"path\"" },
		func(r *decision.Record) { r.Path = "/some/other/path" },
		func(r *decision.Record) { r.RequestID = "8f7c1e0a-53a5-4d0c-9c30-8a2a3a4b5c6e" },
		func(r *decision.Record) { r.RequestID = "" },
	} {
		changed := common
		change(&changed)
		list = append(list, changed)
	}
	return list
}

// Whatever was remembered, a line is the record's, of requests and within one, also when the memory of the record before has been used again.
func TestLinesAreTheirRecords(t *testing.T) {
	for _, mode := range []decision.Mode{decision.Enforce, decision.DryRun} {
		h := &hosttest.Host{}
		shared := row{h, &report.Operation{}}
		first, second, alone := reporter(), reporter(), reporter()
		second.Filter = "ratelimit"
		for _, r := range []*report.Reporter{first, second, alone} {
			r.Mode = mode
		}
		list := variants()
		memory := make([]byte, 0, 4096)
		lend := func(s *string) { // in memory that the next record has, too
			memory = append(memory, *s...)
			*s = unsafe.String(unsafe.SliceData(memory[len(memory)-len(*s):]), len(*s))
		}
		for i := range list {
			for j := range list {
				for _, r := range []decision.Record{list[i], list[j]} {
					memory = memory[:0]
					shared.operation.Forget()
					for _, s := range []*string{&r.Policy, &r.Rule, &r.Reason, &r.Method, &r.Host, &r.Path, &r.RequestID} {
						lend(s)
					}
					want := r
					want.Mode = mode
					want.Filter = "authz"
					alone.Decision(h, &r)
					require.Equal(t, string(want.AppendJSON(nil)), h.Properties["palisade.authz"])
					first.Decision(shared, &r)
					require.Equal(t, string(want.AppendJSON(nil)), h.Properties["palisade.authz"])
					want.Filter = "ratelimit"
					if i%2 == 0 { // the same request, of which this filter says something else
						r.Path = r.Path[:len(r.Path)-j%2]
						r.Method = strings.Clone(r.Method)[j%3/2:]
						want.Method = r.Method
						want.Path = r.Path
					}
					second.Decision(shared, &r)
					require.Equal(t, string(want.AppendJSON(nil)), h.Properties["palisade.authz"])
				}
			}
		}
	}
}

func TestManyPolicies(t *testing.T) {
	r, h := reporter(), &hosttest.Host{}
	for range 2 {
		for i := range 3000 {
			record := record("policy-"+strings.Repeat("x", i%7)+string(rune('a'+i%26)), decision.Allow)
			record.Policy += strings.Repeat("y", i/26)
			r.Decision(h, record)
			require.Equal(t, string(record.AppendJSON(nil)), h.Properties["palisade.authz"])
		}
	}
	assert.NotEmpty(t, h.Metrics)
}
