package wafpeer

import (
	"bufio"
	"context"
	"errors"
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

	"github.com/palisade-mesh/palisade/e2e/coreruleset"
	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// peer says that the peer's module is there: to compile it takes minutes, so only `make compare-waf` does.
var peer = flag.Bool("peer", false, "compare waf-filter's decisions with those of build/bench/wafpeer.wasm")

// TestSameDecisions sends the same requests through both filters in stock Envoy. What they decide otherwise is listed, with the reason;
// what is listed must be so.
func TestSameDecisions(t *testing.T) {
	if !*peer {
		t.Skip("needs the peer's module: make compare-waf")
	}
	cases := slices.Concat(tableCases(t), benignCases(t), suiteCases(t))
	differences := loadDifferences(t, cases)
	ours := start(t, "waf-filter", cases, func(c *settings) string { return c.waf })
	theirs := start(t, Module, cases, func(c *settings) string { return c.peer })
	unlisted := 0
	for _, c := range cases {
		was := [2]string{ours.send(t, c), theirs.send(t, c)}
		want, listed := differences[c.name]
		switch {
		case listed && was[0] == was[1]:
			assert.Fail(t, "a listed difference is none any more", "%s: both %s", c.name, was[0])
		case listed:
			assert.Equal(t, want, was, "%s differs otherwise than listed: waf-filter and the peer", c.name)
		case was[0] != was[1]:
			unlisted++
			assert.Fail(t, "a difference is not listed", "%s: waf-filter %s %v, the peer %s %v\n%.1500s",
				c.name, was[0], ours.rules(), was[1], theirs.rules(), c.wire)
		}
	}
	t.Logf("%d requests, %d listed differences, %d others", len(cases), len(differences), unlisted)
}

// proxy is an Envoy with one of the filters, with a listener for each configuration.
type proxy struct {
	*envoy.Envoy
	listeners map[*settings]string
	read      int // bytes of the log before the last request
}

func start(t *testing.T, module string, cases []*comparison, config func(*settings) string) *proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go coreruleset.Serve(listener)

	p := &proxy{listeners: map[*settings]string{}}
	b := envoy.Bootstrap{Clusters: []envoy.Cluster{{Name: "backend", Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port}}}
	for _, c := range cases {
		if _, known := p.listeners[c.settings]; known {
			continue
		}
		name := fmt.Sprintf("config-%d", len(p.listeners))
		p.listeners[c.settings] = name
		b.Listeners = append(b.Listeners, envoy.Listener{
			Name: name, Cluster: "backend", Filters: []envoy.Wasm{{Name: module, Config: config(c.settings)}},
			// As for the suite: see TestCoreRuleSet.
			Manager: map[string]any{"http_protocol_options": map[string]any{
				"accept_http_10": true, "default_host_for_http_10": "localhost", "allow_custom_methods": true,
			}},
		})
	}
	bootstrap, err := b.String()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	p.Envoy, err = envoy.Start(ctx, envoy.Options{Bootstrap: bootstrap})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Stop()) })
	return p
}

// send returns what came of a request: the status, and what became of the body if that is not the upstream's.
func (p *proxy) send(t *testing.T, c *comparison) string {
	t.Helper()
	p.read = p.Log().Len()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Listener(p.listeners[c.settings]))
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	_, err = connection.Write(c.wire)
	require.NoError(t, err)
	method, _, _ := strings.Cut(string(c.wire), " ")
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "%s: no answer within a minute", c.name)
	if err != nil {
		return "no answer"
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	outcome := fmt.Sprint(response.StatusCode)
	switch {
	case err != nil:
		outcome += " cut off"
	case len(body) > 0 && strings.Trim(string(body), "\x00") == "":
		outcome += " emptied" // as the peer does with a body that it blocks
	}
	return outcome
}

var ruleID = regexp.MustCompile(`\[id "(\d+)"\]|"rule":"(\d+)|"id":(\d+)`)

// rules are those that the log has of the last request, to see why. The log may come a little later than the answer.
func (p *proxy) rules() []string {
	time.Sleep(100 * time.Millisecond)
	var ids []string
	for _, match := range ruleID.FindAllStringSubmatch(p.Log().String()[p.read:], -1) {
		ids = append(ids, match[1]+match[2]+match[3])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
