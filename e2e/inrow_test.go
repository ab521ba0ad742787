package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/inrow"
	"github.com/palisade-mesh/palisade/e2e/pki"
	"github.com/palisade-mesh/palisade/filters/casetest"
)

var (
	inRowSeed = flag.Uint64("inrow.seed", 1, "the first seed of TestInRow")
	inRowSets = flag.Int("inrow.sets", 40, "how many configurations TestInRow tries, each with the next seed")
)

// Per configuration: connections to each of the two Envoys, and requests on each.
const (
	inRowConnections = 4
	inRowRequests    = 10
)

// TestInRow gives the same random configurations to palisade-filter and to the
// filters that it runs, in a row, and sends the same random requests to both.
// The answer, what reaches the upstream, the records, the log and the metrics
// must be the same.
func TestInRow(t *testing.T) {
	r := startInRow(t)
	for i := range r.sets {
		seed := *inRowSeed + uint64(i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { r.compare(t, i, inrow.NewRandom(^seed)) })
	}
	assert.Equal(t, r.metrics(t, r.row), r.metrics(t, r.one), "metrics")
	// The log is read by and by.
	assert.Eventually(t, func() bool { return len(logged(r.row)) == len(logged(r.one)) }, 5*time.Second, 50*time.Millisecond)
	assert.Equal(t, logged(r.row), logged(r.one), "the log")
	r.seen["log lines"] = len(logged(r.one))
	if t.Failed() || *inRowSets < 40 {
		return
	}
	// A comparison that tries little is worth little.
	total := *inRowSets * inRowConnections * inRowRequests
	t.Logf("of %d requests: %v", total, r.seen)
	for what, atLeast := range map[string]int{
		"200": total / 5, "400": 1, "401": total / 20, "403": total / 20, "429": total / 20, "claims": total / 10,
		"log lines": total / 4, "authz in dry-run": 1, "two tokens": 1,
	} {
		assert.GreaterOrEqual(t, r.seen[what], atLeast, what)
	}
}

// inRow is one Envoy with the filters in a row and one with palisade-filter,
// each with a listener for each configuration.
type inRow struct {
	row, one *envoy.Envoy
	ca       *pki.CA
	clients  []*pki.KeyPair
	tokens   map[string]string
	sets     []inrow.Sections
	seen     map[string]int
	requests int
}

func startInRow(t *testing.T) *inRow {
	t.Helper()
	ca, files := newServerCA(t, ringServer)
	r := &inRow{ca: ca, seen: map[string]int{}, tokens: inRowTokens(t)}
	for _, uris := range inrow.Peers {
		var pair *pki.KeyPair
		if uris != nil {
			var err error
			pair, err = ca.Issue(pki.WithIDs(uris...))
			require.NoError(t, err)
		}
		r.clients = append(r.clients, pair)
	}

	upstream := startUpstream(t)
	row := envoy.Bootstrap{Clusters: []envoy.Cluster{upstream.Cluster("upstream")}}
	one := row
	for i := range *inRowSets {
		sections := inrow.NewRandom(*inRowSeed + uint64(i)).Sections(casetest.Keys(t))
		r.sets = append(r.sets, sections)
		listener := envoy.Listener{
			Name: fmt.Sprint("set-", i), Cluster: "upstream",
			TLS: &envoy.ServerTLS{Files: files, AskForClientCertificate: true},
		}
		listener.Filters = []envoy.Wasm{inRowFilter(t, "palisade", i, sections)}
		one.Listeners = append(one.Listeners, listener)
		listener.Filters = nil
		for _, name := range inrow.Names {
			if sections[name] != nil {
				listener.Filters = append(listener.Filters, inRowFilter(t, name, i, sections[name]))
			}
		}
		row.Listeners = append(row.Listeners, listener)
	}
	r.row = startEnvoyWith(t, envoy.Options{Name: "row", Bootstrap: render(t, row)})
	r.one = startEnvoyWith(t, envoy.Options{Name: "one", Bootstrap: render(t, one)})
	return r
}

// inRowFilter is a filter with a configuration; its limits are its own.
func inRowFilter(t *testing.T, name string, set int, config any) envoy.Wasm {
	t.Helper()
	text, err := json.Marshal(config)
	require.NoError(t, err)
	return envoy.Wasm{Name: name + "-filter", Plugin: fmt.Sprint("set-", set), Config: string(text)}
}

func inRowTokens(t *testing.T) map[string]string {
	t.Helper()
	tokens := map[string]string{"garbage": "x.y.z"}
	for name, token := range map[string]casetest.Token{
		"alice":    {Alg: "RS256", Claims: map[string]any{"sub": "alice", "scope": "read write"}},
		"bob":      {Claims: map[string]any{"sub": "bob", "scope": "read"}},
		"admin":    {Alg: "EdDSA", Claims: map[string]any{"sub": "root", "scope": "admin", "x": "\"\u00e9"}},
		"bound":    {Claims: map[string]any{"sub": "alice", "cnf": map[string]any{"x5t#S256": strings.Repeat("A", 43)}}},
		"expired":  {Claims: map[string]any{"sub": "alice", "exp": "-1h"}},
		"forged":   {Tamper: "payload", Claims: map[string]any{"sub": "alice", "scope": "read"}},
		"stranger": {Key: "stranger", Claims: map[string]any{"sub": "alice", "scope": "read"}},
		"phone":    {Claims: map[string]any{"sub": "phone", "iss": inrow.Device}},
	} {
		for claim, value := range map[string]any{"iss": inrow.Corp, "exp": "+10h"} {
			if token.Claims[claim] == nil {
				token.Claims[claim] = value
			}
		}
		tokens[name] = token.Compact(t)
	}
	return tokens
}

func (r *inRow) compare(t *testing.T, set int, random inrow.Random) {
	for range inRowConnections {
		client := r.clients[random.IntN(len(r.clients))]
		row, one := r.dial(t, r.row, set, client), r.dial(t, r.one, set, client)
		for range inRowRequests {
			q := random.Request(r.tokens)
			r.requests++
			id := fmt.Sprintf("request-%d-in-a-row", r.requests)
			want, got := row.send(t, q, id), one.send(t, q, id)
			config, err := json.Marshal(r.sets[set])
			require.NoError(t, err)
			require.Equal(t, want, got, "palisade-filter is not what its filters in a row are\nrequest %+v\nconfiguration %s", q, config)
			r.count(set, q, &want)
		}
	}
}

func (r *inRow) count(set int, q inrow.Request, a *inRowAnswer) {
	r.seen[fmt.Sprint(a.Status)]++
	if a.Entry.Claims != "" {
		r.seen["claims"]++
	}
	if strings.Count(fmt.Sprint(q), "eyJ") >= 4 { // header and payload
		r.seen["two tokens"]++
	}
	if d := a.Entry.Authz; d != nil && d.Mode == "dry-run" && d.Effect == "deny" && a.Entry.RateLimit != nil {
		r.seen["authz in dry-run"]++
	}
}

// inRowConn is a connection to a listener.
type inRowConn struct {
	envoy   *envoy.Envoy
	address string
	config  *tls.Config
	conn    net.Conn
	reader  *bufio.Reader
}

func (r *inRow) dial(t *testing.T, e *envoy.Envoy, set int, client *pki.KeyPair) *inRowConn {
	t.Helper()
	c := &inRowConn{envoy: e, address: e.Listener(fmt.Sprint("set-", set)), config: r.ca.ClientConfig(client, ringServer)}
	c.connect(t)
	return c
}

func (c *inRowConn) connect(t *testing.T) {
	t.Helper()
	conn, err := tls.Dial("tcp", c.address, c.config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	c.conn, c.reader = conn, bufio.NewReader(conn)
}

// inRowAnswer is all that is to be seen of a request.
type inRowAnswer struct {
	Status   int
	Header   http.Header
	Body     string
	Upstream envoy.Echo
	Entry    envoy.Entry
}

// logged are the records in the log.
func logged(e *envoy.Envoy) []string {
	var records []string
	for line := range strings.Lines(e.Log().String()) {
		if _, record, found := strings.Cut(line, "palisade-decision "); found {
			records = append(records, record)
		}
	}
	return records
}

func (c *inRowConn) send(t *testing.T, q inrow.Request, id string) inRowAnswer {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: service.test\r\nx-request-id: %s\r\ncontent-length: 0\r\n", q.Method, q.Path, id)
	for _, h := range q.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	_, err := io.WriteString(c.conn, b.String())
	require.NoError(t, err)
	response, err := http.ReadResponse(c.reader, &http.Request{Method: q.Method})
	require.NoError(t, err, "%+v", q)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)

	if response.Close { // as after a 400
		c.connect(t)
	}
	a := inRowAnswer{Status: response.StatusCode, Header: response.Header, Body: string(body)}
	for _, name := range []string{"Date", "X-Envoy-Upstream-Service-Time"} {
		a.Header.Del(name)
	}
	for _, name := range []string{"Ratelimit", "X-Ratelimit-Reset", "Retry-After"} { // what only the clock makes different
		for i, value := range a.Header[name] {
			a.Header[name][i] = inRowSeconds.ReplaceAllString(value, "$1")
		}
	}
	if a.Status == http.StatusOK {
		require.NoError(t, json.Unmarshal(body, &a.Upstream))
		a.Body = ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	entry, err := c.envoy.Entry(ctx, id)
	require.NoError(t, err)
	a.Entry = *entry
	return a
}

// inRowSeconds are seconds at the end of a header that tells of a limit.
var inRowSeconds = regexp.MustCompile(`(t=|^)\d+`)

// metrics are all that the filters count, but for signatures, which are tried
// in each VM.
func (r *inRow) metrics(t *testing.T, e *envoy.Envoy) []string {
	t.Helper()
	text, err := e.Prometheus(t.Context())
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "palisade_") && !strings.HasPrefix(line, "#") && !strings.Contains(line, "jwt_signatures") {
			lines = append(lines, line)
		}
	}
	require.NotEmpty(t, lines)
	slices.Sort(lines)
	return lines
}
