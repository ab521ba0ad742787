package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/pki"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/decision"
)

// TestCases is the third ring: the cases that the filters' own tests run
// natively and under wazero, here in stock Envoy with real connections, real
// certificates and, where authz-filter needs claims, real tokens.
func TestCases(t *testing.T) {
	for _, filter := range []string{"jwt-filter", "authz-filter", "ratelimit-filter", "waf-filter", "palisade-filter"} {
		t.Run(filter, func(t *testing.T) { runTables(t, filter, filter) })
	}
	for _, section := range []string{"jwt-filter", "authz-filter", "ratelimit-filter"} {
		t.Run(section+" in palisade-filter", func(t *testing.T) { runTables(t, section, "palisade-filter") })
	}
}

// runTables runs one filter's tables through a filter, which may be another that runs the first.
func runTables(t *testing.T, tables, filter string) {
	for _, file := range casetest.LoadFor(t, filter, "../"+tables+"/testdata/*.yaml") {
		ring := startRing(t, filter, file)
		for _, c := range file.Cases {
			t.Run(c.Name, func(t *testing.T) { ring.run(t, c) })
		}
	}
}

const ringServer = "spiffe://example.org/ns/test/sa/ring"

// ring is one Envoy with a listener for every configuration of a table.
type ring struct {
	filter    string // that runs
	tables    string // the filter that the cases are for
	envoy     *envoy.Envoy
	ca        *pki.CA
	listeners map[string]string       // names by configuration
	clients   map[string]*pki.KeyPair // by the URIs of their certificate
	requests  int
}

func startRing(t *testing.T, filter string, file *casetest.File) *ring {
	t.Helper()
	ca, files := newServerCA(t, ringServer)

	r := &ring{filter: filter, tables: file.Filter, ca: ca, listeners: map[string]string{}, clients: map[string]*pki.KeyPair{}}
	upstream := startUpstream(t)
	b := envoy.Bootstrap{Clusters: []envoy.Cluster{upstream.Cluster("upstream")}}
	for _, c := range file.Cases {
		filters := r.filters(t, c)
		key := listenerKey(filters)
		if _, ok := r.listeners[key]; ok {
			continue
		}
		name := fmt.Sprintf("config-%d", len(r.listeners))
		r.listeners[key] = name
		b.Listeners = append(b.Listeners, envoy.Listener{
			Name: name, Cluster: "upstream", Filters: filters,
			TLS:        &envoy.ServerTLS{Files: files, AskForClientCertificate: true},
			Inspectors: []envoy.Extension{envoy.TLSInspector},
			// Whether the header is believed is the filter's business.
			Manager: map[string]any{"forward_client_cert_details": "ALWAYS_FORWARD_ONLY"},
		})
	}
	r.envoy = startEnvoy(t, render(t, b))
	return r
}

// filters are the chain of a case: its filter and, if it has claims, a
// jwt-filter before it that verifies the tokens which carry them. Where
// palisade-filter runs another filter's cases, that is another section.
func (r *ring) filters(t *testing.T, c *casetest.Case) []envoy.Wasm {
	t.Helper()
	chain := []envoy.Wasm{{Name: r.filter, Config: string(c.ConfigJSON(t))}}
	if c.By == "ratelimit-filter" || c.Config["ratelimit"] != nil {
		chain[0].Plugin = c.Name // each case counts on its own
	}
	if c.Request.Claims == nil {
		return chain
	}
	type object = map[string]any
	providers := object{}
	var all []object
	// In order, because the chain is how the listener is found again.
	for _, name := range slices.Sorted(maps.Keys(c.Request.Claims)) {
		providers[name] = object{
			"issuer": c.Request.Claims[name]["iss"], "jwks": json.RawMessage(casetest.Keys(t)), "requireExpiration": false,
			"spaceDelimitedClaims": []string{},
			"fromHeaders":          []object{{"name": tokenHeader(name)}},
		}
		all = append(all, object{"provider": name})
	}
	verify := object{"providers": providers, "rules": []object{{"require": object{"all": all}}}}
	if r.filter != r.tables {
		var sections object
		require.NoError(t, json.Unmarshal([]byte(chain[0].Config), &sections))
		sections["jwt"] = verify
		config, err := json.Marshal(sections)
		require.NoError(t, err)
		chain[0].Config = string(config)
		return chain
	}
	config, err := json.Marshal(verify)
	require.NoError(t, err)
	return append([]envoy.Wasm{{Name: "jwt-filter", Config: string(config)}}, chain...)
}

func tokenHeader(provider string) string { return "x-token-" + provider }

func listenerKey(filters []envoy.Wasm) string {
	var key strings.Builder
	for _, f := range filters {
		key.WriteString(f.Name + f.Plugin + f.Config)
	}
	return key.String()
}

func (r *ring) run(t *testing.T, c *casetest.Case) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r.requests++
	id := fmt.Sprintf("case-%d-of-the-ring", r.requests)
	for range c.Repeat {
		r.send(t, c, fmt.Sprintf("before-%d-of-the-ring", r.requests))
	}
	status, header, body := r.send(t, c, id)
	if c.Envoy != 0 {
		assert.Equal(t, c.Envoy, status, "Envoy's own refusal")
		return
	}
	entry, err := r.envoy.Entry(ctx, id)
	require.NoError(t, err)
	record := entry.Authz
	switch c.By {
	case "jwt-filter":
		record = entry.JWT
	case "ratelimit-filter":
		record = entry.RateLimit
	case "waf-filter":
		record = entry.WAF
	}
	require.NotNil(t, record, "no record of %s; status %d, %s", c.By, status, body)

	o := casetest.Outcome{Body: body, Reply: map[string]string{}, Upstream: map[string]string{}, Record: casetest.Record{
		Filter: record.Filter, Mode: record.Mode, Effect: decision.Effect(record.Effect), Policy: record.Policy,
		Rule: fmt.Sprint(record.Rule), Reason: record.Reason, Status: record.Status, Principal: record.Principal,
		RequestPrincipal: record.RequestPrincipal, Path: record.Path,
	}}
	flatten(o.Reply, header)
	var echo envoy.Echo
	if status == http.StatusOK && json.Unmarshal([]byte(body), &echo) == nil {
		o.Passed = true
		flatten(o.Upstream, echo.Header)
		o.Upstream[":path"] = echo.Path
	} else {
		o.Status = status
	}
	c.Expect.Check(t, o)
	if c.By == "jwt-filter" && o.Passed && record.RequestPrincipal != "" {
		var claims map[string]map[string]any
		require.NoError(t, json.Unmarshal([]byte(entry.Claims), &claims), "the access log has the claims")
		assert.Equal(t, record.RequestPrincipal, fmt.Sprintf("%s/%s", claims[record.Policy]["iss"], claims[record.Policy]["sub"]))
	}
}

// send writes the request by hand: a path must arrive as the case has it.
func (r *ring) send(t *testing.T, c *casetest.Case, id string) (status int, header http.Header, body string) {
	t.Helper()
	address := r.envoy.Listener(r.listeners[listenerKey(r.filters(t, c))])
	require.NotEmpty(t, address)
	config := r.ca.ClientConfig(r.client(t, c.Request.URIs()), ringServer)
	config.ServerName = c.Request.SNI
	conn, err := tls.Dial("tcp", address, config)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))

	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\nx-request-id: %s\r\nconnection: close\r\n",
		c.Request.Method, c.Request.Path, c.Request.Host, id)
	for _, h := range c.PlainHeaders(t) {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	for provider, claims := range c.Request.Claims {
		fmt.Fprintf(&b, "%s: %s\r\n", tokenHeader(provider), casetest.SignClaims(t, claims))
	}
	b.WriteString("\r\n")
	_, err = io.WriteString(conn, b.String())
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(content)
}

// client is a key pair with these URIs, nil for nobody.
func (r *ring) client(t *testing.T, uris []string) *pki.KeyPair {
	t.Helper()
	if uris == nil {
		return nil
	}
	key := strings.Join(uris, " ")
	if r.clients[key] == nil {
		pair, err := r.ca.Issue(pki.WithIDs(uris...))
		require.NoError(t, err)
		r.clients[key] = pair
	}
	return r.clients[key]
}

func flatten(to map[string]string, from http.Header) {
	for name, values := range from {
		to[strings.ToLower(name)] = values[len(values)-1]
	}
}
