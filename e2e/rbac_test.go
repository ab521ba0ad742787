package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/pki"
	"github.com/palisade-mesh/palisade/e2e/rbac"
)

var (
	rbacSeed = flag.Uint64("rbac.seed", 1, "the first seed of TestRBAC")
	rbacSets = flag.Int("rbac.sets", 60, "how many policy sets TestRBAC tries, each with the next seed")
)

// Per set: connections to each of the two listeners, and requests on each.
const (
	rbacConnections = 8
	rbacRequests    = 8
)

// TestRBAC gives the same random policies to authz-filter and to Envoy's own
// rbac filters, sends the same random requests to both, and compares.
func TestRBAC(t *testing.T) {
	d := startDuel(t)
	for i, set := range d.sets {
		seed := *rbacSeed + uint64(i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { d.compare(t, i, set, rbac.NewRandom(^seed)) })
	}
	if t.Failed() || *rbacSets < 60 {
		return
	}
	// A comparison that tries little is worth little.
	total := d.allowed + d.denied
	t.Logf("%d requests: %d allowed, %d denied, %d of them by DENY policies", total, d.allowed, d.denied, d.byDeny)
	assert.Greater(t, d.allowed, total/4)
	assert.Greater(t, d.denied, total/4)
	assert.Greater(t, d.byDeny, total/20)
	for _, feature := range rbac.Features() {
		assert.Positive(t, d.features[feature], "no policy has %q", feature)
	}
}

// duel is one Envoy with two listeners for each set of policies.
type duel struct {
	envoy    *envoy.Envoy
	ca       *pki.CA
	clients  map[string]*pki.KeyPair
	sets     []*rbac.Set
	features map[string]int

	allowed, denied, byDeny int
}

func startDuel(t *testing.T) *duel {
	t.Helper()
	ca, files := newServerCA(t, ringServer)
	d := &duel{ca: ca, clients: map[string]*pki.KeyPair{}, features: map[string]int{}}
	for _, peer := range rbac.Peers {
		d.clients[peer] = issue(t, ca, peer)
	}

	upstream := startUpstream(t)
	b := envoy.Bootstrap{Clusters: []envoy.Cluster{upstream.Cluster("upstream")}}
	for i := range *rbacSets {
		set := rbac.NewRandom(*rbacSeed + uint64(i)).Set()
		set.Features(func(feature string) { d.features[feature]++ })
		d.sets = append(d.sets, set)
		common := envoy.Listener{
			Cluster: "upstream",
			TLS:     &envoy.ServerTLS{Files: files, AskForClientCertificate: true},
			Inspectors: []envoy.Extension{
				// The test says where a connection comes from and went to.
				{Name: "envoy.filters.listener.proxy_protocol", Type: "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"},
				envoy.TLSInspector,
			},
		}
		ours, theirs := common, common
		ours.Name, ours.Filters = fmt.Sprintf("authz-%d", i), []envoy.Wasm{{Name: "authz-filter", Config: set.String()}}
		theirs.Name, theirs.Native = fmt.Sprintf("rbac-%d", i), set.Native()
		theirs.Manager = map[string]any{
			"normalize_path": true, "merge_slashes": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
		}
		b.Listeners = append(b.Listeners, ours, theirs)
	}
	d.envoy = startEnvoy(t, render(t, b))
	return d
}

func issue(t *testing.T, ca *pki.CA, peer string) *pki.KeyPair {
	t.Helper()
	option := pki.WithIDs(peer)
	switch peer {
	case rbac.Nobody:
		return nil
	case rbac.NoURI:
		option = pki.WithHosts(peer)
	}
	pair, err := ca.Issue(option)
	require.NoError(t, err)
	return pair
}

func (d *duel) compare(t *testing.T, i int, set *rbac.Set, random rbac.Random) {
	for range rbacConnections {
		c := random.Connection(set)
		ours, theirs := d.dial(t, fmt.Sprintf("authz-%d", i), c), d.dial(t, fmt.Sprintf("rbac-%d", i), c)
		for range rbacRequests {
			q := random.Request(set)
			status, body := ours.send(t, q)
			want, _ := theirs.send(t, q)
			require.Contains(t, []int{200, 403}, want, "rbac on %+v %+v", c, q)
			require.Equal(t, want, status, "authz-filter does not agree with rbac\nconnection %+v\nrequest %+v\npolicies %s\nsaid %s",
				c, q, set, body)
			d.count(status, body)
		}
	}
}

func (d *duel) count(status int, body string) {
	if status == http.StatusOK {
		d.allowed++
		return
	}
	d.denied++
	var problem struct{ Policy string }
	if json.Unmarshal([]byte(body), &problem) == nil && strings.HasPrefix(problem.Policy, "deny-") {
		d.byDeny++
	}
}

// duelist is a connection to one of two listeners.
type duelist struct {
	conn   net.Conn
	reader *bufio.Reader
}

func (d *duel) dial(t *testing.T, listener string, c rbac.Connection) *duelist {
	t.Helper()
	conn, err := net.Dial("tcp", d.envoy.Listener(listener))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	family, destination := "TCP4", "192.0.2.1"
	if netip.MustParseAddr(c.Address).Is6() {
		family, destination = "TCP6", "2001:db8::1"
	}
	_, err = fmt.Fprintf(conn, "PROXY %s %s %s 40000 %s\r\n", family, c.Address, destination, c.Port)
	require.NoError(t, err)
	config := d.ca.ClientConfig(d.clients[c.Peer], ringServer)
	config.ServerName = c.SNI
	secure := tls.Client(conn, config)
	return &duelist{conn: secure, reader: bufio.NewReader(secure)}
}

func (p *duelist) send(t *testing.T, q rbac.Request) (status int, body string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\ncontent-length: 0\r\n", q.Method, q.Path, q.Host)
	for _, h := range q.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	_, err := io.WriteString(p.conn, b.String())
	require.NoError(t, err)
	response, err := http.ReadResponse(p.reader, &http.Request{Method: q.Method})
	require.NoError(t, err, "%+v", q)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(content)
}
