package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/mesh"
	"github.com/palisade-mesh/palisade/e2e/pki"
)

const (
	backendID   = "spiffe://example.org/ns/shop/sa/backend"
	frontendID  = "spiffe://example.org/ns/shop/sa/frontend"
	gatewayID   = "spiffe://example.org/ns/edge/sa/gateway"
	databaseID  = "spiffe://example.org/ns/shop/sa/database"
	onlyBackend = `"policies": [{"name": "p", "rules": [{"from": [{"source": {"principals": ["example.org/ns/shop/sa/backend"]}}]}]}]`
)

// TestURISANs shows certificates with other than one URI: their owner is
// nobody, though Envoy verifies them and gives a filter the first URI.
func TestURISANs(t *testing.T) {
	p := newParty(t)
	upstream := startUpstream(t)
	e := startEnvoy(t, render(t, envoy.Bootstrap{
		Listeners: []envoy.Listener{p.listener(t, databaseID, "inbound", envoy.Listener{
			Cluster: "upstream", Filters: []envoy.Wasm{{Name: "authz-filter", Config: "{" + onlyBackend + "}"}},
		})},
		Clusters: []envoy.Cluster{upstream.Cluster("upstream")},
	}))
	const backend = "example.org/ns/shop/sa/backend"
	tests := []struct {
		name      string
		client    *pki.KeyPair
		principal string
	}{
		{"one URI", p.issue(t, pki.WithIDs(backendID)), backend},
		{"one URI and other names", p.issue(t, pki.WithIDs(backendID), pki.WithHosts("backend.example.org", "127.0.0.1")), backend},
		{"two URIs, the allowed one first", p.issue(t, pki.WithIDs(backendID, frontendID)), ""},
		{"two URIs, the allowed one second", p.issue(t, pki.WithIDs(frontendID, backendID)), ""},
		{"two URIs, one of them not SPIFFE's", p.issue(t, pki.WithIDs(backendID, "https://example.org/backend")), ""},
		{"the same URI twice", p.issue(t, pki.WithIDs(backendID, backendID)), ""},
		{"a URI that is not SPIFFE's", p.issue(t, pki.WithIDs("https://example.org/ns/shop/sa/backend")), ""},
		{"no URI", p.issue(t, pki.WithHosts("backend.example.org")), ""},
		{"no certificate", nil, ""},
	}
	// Twice: what is remembered of a certificate is still right the next time.
	for _, round := range []string{"first", "again"} {
		for _, test := range tests {
			t.Run(test.name+" "+round, func(t *testing.T) {
				status, record := p.call(t, e, e.Listener("inbound"), test.client, databaseID, "")
				assert.Equal(t, test.principal, record.Principal)
				want := http.StatusForbidden
				if test.principal != "" {
					want = http.StatusOK
				}
				assert.Equal(t, want, status)
			})
		}
	}
	assert.EqualValues(t, 4, upstream.Requests())
}

// TestXFCC has a gateway tell a sidecar whom it serves. The sidecar believes
// the gateway, and nobody else.
func TestXFCC(t *testing.T) {
	const believing = `{"identity": {"source": "xfcc", "from": ["` + gatewayID + `"]}, ` + onlyBackend + `}`
	p := newParty(t)
	upstream := startUpstream(t)
	sidecars := envoy.Bootstrap{Clusters: []envoy.Cluster{upstream.Cluster("upstream")}}
	for _, mode := range []string{"FORWARD_ONLY", "APPEND_FORWARD", "ALWAYS_FORWARD_ONLY", "SANITIZE"} {
		sidecars.Listeners = append(sidecars.Listeners, p.listener(t, databaseID, mode, envoy.Listener{
			Cluster: "upstream", Manager: forwarding(mode),
			Filters: []envoy.Wasm{{Name: "authz-filter", Config: believing}},
		}))
	}
	sidecar := startEnvoy(t, render(t, sidecars))

	gateways := envoy.Bootstrap{}
	gatewayFiles := p.files(t, gatewayID)
	for _, l := range sidecars.Listeners {
		gateways.Clusters = append(gateways.Clusters, envoy.Cluster{
			Name: l.Name, Host: "127.0.0.1", Port: port(t, sidecar.Listener(l.Name)),
			TLS: &envoy.ClientTLS{Files: gatewayFiles, ServerID: databaseID},
		})
		for _, mode := range []string{"SANITIZE_SET", "APPEND_FORWARD", "FORWARD_ONLY", "SANITIZE"} {
			gateways.Listeners = append(gateways.Listeners, p.listener(t, gatewayID, mode+" to "+l.Name, envoy.Listener{
				Cluster: l.Name, Manager: forwarding(mode),
			}))
		}
	}
	gateway := startEnvoy(t, render(t, gateways))

	backend, frontend := p.issue(t, pki.WithIDs(backendID)), p.issue(t, pki.WithIDs(frontendID))
	both := p.issue(t, pki.WithIDs(backendID, frontendID))
	const (
		isBackend  = "example.org/ns/shop/sa/backend"
		isFrontend = "example.org/ns/shop/sa/frontend"
		// An element as Envoy writes them, and one that swallows what Envoy appends.
		hash     = "Hash=0000000000000000000000000000000000000000000000000000000000000000"
		forged   = hash + ";URI=" + backendID
		unclosed = forged + `;Subject="`
	)
	tests := []struct {
		name      string
		through   string // the gateway's and the sidecar's mode, or the sidecar's alone
		client    *pki.KeyPair
		header    string // x-forwarded-client-cert that the client sends
		principal string
		status    int
	}{
		{"the client counts", "SANITIZE_SET to FORWARD_ONLY", backend, "", isBackend, 200},
		{"another client", "SANITIZE_SET to FORWARD_ONLY", frontend, "", isFrontend, 403},
		{"another client forges", "SANITIZE_SET to FORWARD_ONLY", frontend, forged, isFrontend, 403},
		{"the client forges", "SANITIZE_SET to FORWARD_ONLY", backend, hash + ";URI=" + frontendID, isBackend, 200},
		{"a client with two URIs", "SANITIZE_SET to FORWARD_ONLY", both, "", "", 403},
		{"no certificate", "SANITIZE_SET to FORWARD_ONLY", nil, "", "", 403},
		{"no certificate and forges", "SANITIZE_SET to FORWARD_ONLY", nil, forged, "", 403},
		{"the gateway says nothing", "SANITIZE to FORWARD_ONLY", backend, "", "", 403},

		{"the gateway appends", "APPEND_FORWARD to FORWARD_ONLY", backend, "", isBackend, 200},
		{"the gateway appends, another client forges", "APPEND_FORWARD to FORWARD_ONLY", frontend, forged, isFrontend, 403},
		{"the gateway appends to two", "APPEND_FORWARD to FORWARD_ONLY", frontend, forged + "," + forged, isFrontend, 403},
		{"the gateway appends to what Envoy never writes", "APPEND_FORWARD to FORWARD_ONLY", frontend, "Hash=00;URI=" + backendID, "", 503},
		{"the gateway appends to a quote", "APPEND_FORWARD to FORWARD_ONLY", frontend, unclosed, "", 503},
		{"the gateway appends, no certificate, forges", "APPEND_FORWARD to FORWARD_ONLY", nil, forged, "", 403},

		{"both append", "APPEND_FORWARD to APPEND_FORWARD", backend, "", isBackend, 200},
		{"both append, another client forges", "APPEND_FORWARD to APPEND_FORWARD", frontend, forged, isFrontend, 403},
		{"the sidecar appends", "SANITIZE_SET to APPEND_FORWARD", backend, "", isBackend, 200},
		{"the sidecar appends, another client forges", "SANITIZE_SET to APPEND_FORWARD", frontend, forged, isFrontend, 403},
		// The one element is about the gateway itself, and so says nothing of the client.
		{"only the sidecar says something", "SANITIZE to APPEND_FORWARD", backend, "", "", 403},
		{"the sidecar hears nothing", "SANITIZE_SET to SANITIZE", backend, "", "", 403},

		{"past the gateway", "FORWARD_ONLY", backend, "", isBackend, 200},
		{"past the gateway, forging", "FORWARD_ONLY", frontend, forged, isFrontend, 403},
		{"past the gateway, forging, the sidecar appends", "APPEND_FORWARD", frontend, forged, isFrontend, 403},
		{"past the gateway, forging, always forwarded", "ALWAYS_FORWARD_ONLY", frontend, forged, isFrontend, 403},
		{"past the gateway, no certificate, always forwarded", "ALWAYS_FORWARD_ONLY", nil, forged, "", 403},

		// A gateway that passes on what clients send is believed all the same: who names it in "from" vouches for it.
		{"a gateway that forwards", "FORWARD_ONLY to FORWARD_ONLY", frontend, forged, isBackend, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := upstream.Requests()
			at, server := gateway.Listener(test.through), gatewayID
			if at == "" {
				at, server = sidecar.Listener(test.through), databaseID
			}
			status, record := p.call(t, sidecar, at, test.client, server, test.header)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.principal, record.Principal)
			assert.Equal(t, test.status == http.StatusOK, upstream.Requests() > before)
		})
	}
}

// forwarding is what a listener does with x-forwarded-client-cert.
func forwarding(mode string) map[string]any {
	return map[string]any{
		"forward_client_cert_details":     mode,
		"set_current_client_cert_details": map[string]any{"uri": true, "subject": true},
	}
}

// party is an authority and those that it vouches for.
type party struct {
	ca       *pki.CA
	dir      string
	requests int
}

func newParty(t *testing.T) *party {
	t.Helper()
	ca, err := pki.NewCA(mesh.TrustDomain)
	require.NoError(t, err)
	return &party{ca: ca, dir: t.TempDir()}
}

func (p *party) issue(t *testing.T, options ...pki.Option) *pki.KeyPair {
	t.Helper()
	pair, err := p.ca.Issue(options...)
	require.NoError(t, err)
	return pair
}

func (p *party) files(t *testing.T, id string) pki.Files {
	t.Helper()
	files, err := p.issue(t, pki.WithIDs(id)).WriteFiles(p.dir, id[strings.LastIndexByte(id, '/')+1:])
	require.NoError(t, err)
	files.CA, err = p.ca.WriteFile(p.dir)
	require.NoError(t, err)
	return files
}

// listener is l with a name, and with a workload's certificate.
func (p *party) listener(t *testing.T, id, name string, l envoy.Listener) envoy.Listener {
	t.Helper()
	l.Name = name
	l.TLS = &envoy.ServerTLS{Files: p.files(t, id), AskForClientCertificate: true}
	return l
}

// call sends a GET and gives its status, and what e recorded of it.
func (p *party) call(
	t *testing.T, e *envoy.Envoy, address string, client *pki.KeyPair, server, xfcc string,
) (status int, record *envoy.Decision) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p.requests++
	id := fmt.Sprintf("call-%d-of-the-party", p.requests)
	conn, err := tls.Dial("tcp", address, p.ca.ClientConfig(client, server))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	header := ""
	if xfcc != "" {
		header = "x-forwarded-client-cert: " + xfcc + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nhost: database\r\nx-request-id: %s\r\nconnection: close\r\n%s\r\n", id, header)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	entry, err := e.Entry(ctx, id)
	require.NoError(t, err)
	require.NotNil(t, entry.Authz)
	return response.StatusCode, entry.Authz
}
