package authz

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/request"
)

// services is a configuration of so many policies: each lets one workload, for users with a claim, read the records
// of one service.
func services(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"trustDomains": ["example.org"], "policies": [`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name": "service-%d", "rules": [{
			"from": [{"source": {"principals": ["example.org/ns/shop/sa/client-%d"]}}],
			"to": [{"operation": {"methods": ["GET"], "hosts": ["svc-%d.example.org"], "paths": ["/svc-%d/records/{*}", "/svc-%d/health"]}}],
			"when": [{"key": "request.auth.claims[scope]", "values": ["read"]}]}]}`, i, i%200, i%50, i, i)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func load(t testing.TB, policies int) *Policy {
	t.Helper()
	c, err := Decode(services(policies))
	require.NoError(t, err)
	p, err := Compile(c, &engine{})
	require.NoError(t, err)
	return p
}

// asked is a request for the records of a service by one of its clients.
func asked(service int) *hosttest.Host {
	n := strconv.Itoa(service)
	return &hosttest.Host{
		Headers: [][2]string{
			{":method", "GET"}, {":path", "/svc-" + n + "/records/42"}, {":authority", "svc-" + strconv.Itoa(service%50) + ".example.org"},
			{"accept", "*/*"}, {"user-agent", "bench"},
		},
		Properties: map[string]string{
			"connection.uri_san_peer_certificate":       "spiffe://example.org/ns/shop/sa/client-" + strconv.Itoa(service%200),
			"connection.sha256_peer_certificate_digest": "8a4e2f" + n,
			"source.address":                            "127.0.0.1:1234",
			"palisade.jwt":                              `{"corp":{"iss":"https://idp.example","sub":"alice","scope":["read","write"]}}`,
		},
	}
}

// quiet is a host that allocates nothing itself.
type quiet struct {
	headers    [][2]string
	properties map[string][]byte
}

func quieten(h *hosttest.Host) *quiet {
	q := &quiet{headers: h.Headers, properties: map[string][]byte{}}
	for k, v := range h.Properties {
		q.properties[k] = []byte(v)
	}
	return q
}

func (q *quiet) RequestHeaders() ([][2]string, error) { return q.headers, nil }

func (q *quiet) Property(path []string) ([]byte, bool, error) {
	var key [64]byte
	b := key[:0]
	for i, p := range path {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(b, p...)
	}
	v, ok := q.properties[string(b)]
	return v, ok, nil
}

func BenchmarkDecide(b *testing.B) { budget.Time(b, decides(20, 1_000, 10_000, 100_000)) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Decide": decides(20, 10_000)})
}

// decides decides about requests, with so many policies. Property makes a string of what the host gives: digest, claims, address.
func decides(policies ...int) budget.Benchmark {
	return func(r *budget.Runner) {
		for _, n := range policies {
			benchmarkDecide(r, n)
		}
	}
}

func benchmarkDecide(b *budget.Runner, policies int) {
	p := load(b, policies)
	for name, h := range map[string]*hosttest.Host{
		"allowed":        asked(policies - 1),
		"denied, method": func() *hosttest.Host { h := asked(policies - 1); h.Headers[0][1] = "PUT"; return h }(),
		"denied, nobody": func() *hosttest.Host { h := asked(policies - 1); clear(h.Properties); return h }(),
		"denied, path":   func() *hosttest.Host { h := asked(policies - 1); h.Headers[1][1] = "/admin"; return h }(),
	} {
		r, err := request.Load(quieten(h))
		require.NoError(b, err)
		require.Equal(b, name == "allowed", p.Decide(r).Effect == decision.Allow, name)
		b.Op(fmt.Sprintf("%d/%s", policies, name), func() { p.Decide(r) })
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, policies := range []int{1_000, 100_000} {
		text := services(policies)
		b.Run(strconv.Itoa(policies), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c, err := Decode(text)
				require.NoError(b, err)
				_, err = Compile(c, &engine{})
				require.NoError(b, err)
			}
		})
	}
}
