package coreruleset_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/coreruleset"
	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// all runs the whole suite, which takes minutes: see make ftw.
var all = flag.Bool("all", false, "run all tests of the suite, not only every tenth")

// The suite's settings, as the native test has them, and all that matched is logged.
const config = `{"rules": ["Include @recommended-conf", "Include @ftw-conf", "Include @crs-setup-conf", "Include @owasp_crs/*.conf"],
	"audit": {"log": "all"}}`

func TestMain(m *testing.M) {
	// Without an Envoy nothing here can be tested, and that must not look like success.
	if _, err := envoy.Binary(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// maxExceptions is how many there are; most of them are headers that Envoy removes before any filter sees them.
const maxExceptions = 56

// TestCoreRuleSet sends the suite's requests one after the other, byte by byte as they are, to an Envoy with one worker.
func TestCoreRuleSet(t *testing.T) {
	files, err := coreruleset.Load()
	require.NoError(t, err)
	// The module is compiled with evaluation in multiple phases.
	exceptions, err := coreruleset.LoadExceptions(true,
		"../../waf-filter/waf/testdata/coreruleset-exceptions.yaml", "testdata/envoy-exceptions.yaml")
	require.NoError(t, err)
	require.LessOrEqual(t, len(exceptions), maxExceptions)
	p := startProxy(t)
	unused := maps.Clone(exceptions)
	var count, ran, excepted int
	for _, file := range files {
		for _, test := range file.Tests {
			e, isException := exceptions[test.Name]
			delete(unused, test.Name)
			if count++; !*all && count%10 != 0 {
				continue
			}
			if isException {
				excepted++
				require.NoError(t, e.Apply(&test))
			}
			ran++
			for _, stage := range test.Stages {
				stage.Output.Check(t, test.Name, p.send(t, &stage.Input))
			}
		}
	}
	assert.Empty(t, slices.Sorted(maps.Keys(unused)), "exceptions of tests that there are not")
	t.Logf("%d of %d tests ran, %d of them with another expectation", ran, count, excepted)
}

// proxy is an Envoy with waf-filter.
type proxy struct {
	*envoy.Envoy
	marks int // how many requests were sent to find one's place in the log
	read  int // bytes of the log
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	bootstrap, err := envoy.Bootstrap{
		Clusters: []envoy.Cluster{{Name: "backend", Host: "127.0.0.1", Port: serveBackend(t)}},
		Listeners: []envoy.Listener{{
			Name: "inbound", Cluster: "backend", Filters: []envoy.Wasm{{Name: "waf-filter", Config: config}},
			// What Envoy refuses unless told otherwise: HTTP/1.0 (with 426), and methods that it does not know (with 400).
			Manager: map[string]any{"http_protocol_options": map[string]any{
				"accept_http_10": true, "default_host_for_http_10": "localhost", "allow_custom_methods": true,
			}},
		}},
	}.String()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	e, err := envoy.Start(ctx, envoy.Options{Bootstrap: bootstrap})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Stop()) })
	return &proxy{Envoy: e}
}

func (p *proxy) send(t *testing.T, input *coreruleset.Input) coreruleset.Result {
	t.Helper()
	request, err := input.Request()
	require.NoError(t, err)
	raw := request.Bytes()
	method, _, _ := strings.Cut(string(raw), " ")
	var result coreruleset.Result
	result.Status, result.NotHTTP = p.exchange(t, method, raw)
	result.Log = p.matched(t)
	return result
}

// exchange sends what may be a request, and returns the status of the answer when that is complete, and the stream over.
func (p *proxy) exchange(t *testing.T, method string, raw []byte) (int, error) {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Listener("inbound"))
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	_, err = connection.Write(raw)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// matched returns the rules that the request before has matched. What the filter logs has no sign of a request that may be
// anything, but a worker does one thing after the other: it is all that stands before what a marker leaves in the log.
func (p *proxy) matched(t *testing.T) string {
	t.Helper()
	p.marks++
	marker := fmt.Sprintf("marker %d.", p.marks)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Listener("inbound")+"/", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("x-crs-test", marker) // for rule 999999 of @ftw-conf
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lines, next, err := p.Log().Until(ctx, p.read, "X-CRS-Test "+marker)
	require.NoError(t, err)
	p.read = next
	var log strings.Builder
	for line := range strings.Lines(lines) {
		if _, record, ok := strings.Cut(line, "palisade-audit "); ok {
			writeMatches(t, &log, record)
		}
	}
	return log.String()
}

// writeMatches writes the rules of an audit record as a line of Coraza's error log each.
func writeMatches(t *testing.T, log *strings.Builder, record string) {
	t.Helper()
	var audit struct {
		Rules []struct {
			ID      int    `json:"id"`
			Message string `json:"message"`
			More    bool   `json:"more"`
			Matches []struct {
				Variable string `json:"variable"`
				Name     string `json:"name"`
			} `json:"matches"`
		} `json:"rules"`
	}
	require.NoError(t, json.Unmarshal([]byte(record), &audit), record)
	for _, rule := range audit.Rules {
		require.False(t, rule.More, "the record does not have all rules that matched: %s", record)
		fmt.Fprintf(log, "[id %q] [msg %q]", strconv.Itoa(rule.ID), rule.Message)
		for _, match := range rule.Matches {
			fmt.Fprintf(log, " [found within %s:%s:]", match.Variable, match.Name)
		}
		log.WriteByte('\n')
	}
}
