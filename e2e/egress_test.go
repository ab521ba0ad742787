package e2e

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/configs"
	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/mesh"
	"github.com/palisade-mesh/palisade/e2e/pki"
)

const (
	rates = "rates.partner.example"
	pay   = "pay.partner.example"
)

func testEgressGateway(t *testing.T, credentials *configs.Credentials) {
	hosts := map[string]*externalHost{
		rates: startExternal(t, credentials.External, rates), pay: startExternal(t, credentials.External, pay),
	}
	gateway := startEgress(t, credentials, hosts)
	tests := []struct {
		name, from, sni, method, url string
		want                         int
	}{
		{"allowed", mesh.Backend, rates, "GET", "http://" + rates + "/v1/rates/EUR?on=today", 200},
		{"allowed, with a port", mesh.Backend, rates, "GET", "http://" + rates + ":443/v1/rates/EUR", 200},
		{"allowed, another workload and host", mesh.Frontend, pay, "POST", "http://" + pay + "/v1/charges", 200},
		{"another workload", mesh.Frontend, rates, "GET", "http://" + rates + "/v1/rates/EUR", 403},
		{"another host of another workload's", mesh.Backend, pay, "POST", "http://" + pay + "/v1/charges", 403},
		{"an unknown host", mesh.Backend, "evil.example", "GET", "http://evil.example/v1/rates/EUR", 403},
		{"another method", mesh.Backend, rates, "POST", "http://" + rates + "/v1/rates/EUR", 403},
		{"another path", mesh.Backend, rates, "GET", "http://" + rates + "/v1/accounts/7", 403},
		{"another path in disguise", mesh.Backend, rates, "GET", "http://" + rates + "/v1/rates/../accounts", 403},
		{"another host than the SNI", mesh.Backend, rates, "GET", "http://" + pay + "/v1/rates/EUR", 403},
		{"another SNI than the host", mesh.Backend, pay, "GET", "http://" + rates + "/v1/rates/EUR", 403},
		{"no SNI", mesh.Backend, "", "GET", "http://" + rates + "/v1/rates/EUR", 403},
		{"the gateway itself", "egress", rates, "GET", "http://" + rates + "/v1/rates/EUR", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target, err := url.Parse(test.url)
			require.NoError(t, err)
			before := hosts[rates].requests.Load() + hosts[pay].requests.Load()
			request, err := http.NewRequestWithContext(t.Context(), test.method, "https://"+gateway.Listener("egress"), http.NoBody)
			require.NoError(t, err)
			request.Host, request.URL.Path, request.URL.RawQuery = target.Host, target.Path, target.RawQuery
			request.Header.Set("x-forwarded-for", elsewhere)
			config := credentials.CA.ClientConfig(keyPair(t, credentials, test.from), configs.Egress)
			config.ServerName = test.sni
			assert.Equal(t, test.want, send(t, &http.Transport{TLSClientConfig: config}, request))

			after := hosts[rates].requests.Load() + hosts[pay].requests.Load()
			if test.want != http.StatusOK {
				assert.Equal(t, before, after, "a refused request must not leave the mesh")
				return
			}
			assert.Equal(t, before+1, after)
			got := hosts[target.Hostname()].last.Load()
			assert.Equal(t, target.Hostname(), got.Host)
			assert.Equal(t, target.RequestURI(), got.RequestURI)
			assert.Equal(t, target.Hostname(), got.TLS.ServerName)
			for name := range got.Header {
				assert.False(t, strings.HasPrefix(name, "X-"), "%s must not leave the mesh", name)
			}
		})
	}

	t.Run("no certificate", func(t *testing.T) {
		config := credentials.CA.ClientConfig(nil, configs.Egress)
		config.ServerName = rates
		conn, err := tls.Dial("tcp", gateway.Listener("egress"), config)
		require.NoError(t, err, "in TLS 1.3 the client hears of it later")
		defer func() { _ = conn.Close() }()
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorContains(t, err, "certificate required")
	})
}

// TestEgressImpostor has somebody else answer for an external host.
func TestEgressImpostor(t *testing.T) {
	credentials, err := configs.Issue(t.TempDir())
	require.NoError(t, err)
	tests := []struct {
		name string
		host *externalHost
		want int
	}{
		{"the host", startExternal(t, credentials.External, rates), 200},
		{"another host of the same authority", startExternal(t, credentials.External, pay), 503},
		{"a workload of the mesh", startExternal(t, credentials.CA, rates), 503},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			gateway := startEgress(t, credentials, map[string]*externalHost{rates: test.host, pay: test.host})
			url := "https://" + gateway.Listener("egress") + "/v1/rates/EUR"
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
			require.NoError(t, err)
			request.Host = rates
			config := credentials.CA.ClientConfig(credentials.KeyPair(mesh.Backend), configs.Egress)
			config.ServerName = rates
			assert.Equal(t, test.want, send(t, &http.Transport{TLSClientConfig: config}, request))
		})
	}
}

func testSidecarOutbound(t *testing.T, credentials *configs.Credentials) {
	hosts := map[string]*externalHost{
		rates: startExternal(t, credentials.External, rates), pay: startExternal(t, credentials.External, pay),
	}
	gateway := startEgress(t, credentials, hosts)
	sidecar := startOutbound(t, credentials, port(t, gateway.Listener("egress")))
	proxy, err := url.Parse("http://" + sidecar.Listener("outbound"))
	require.NoError(t, err)

	tests := []struct {
		name, method, url string
		want              int
		reaches           bool // the gateway
	}{
		{"allowed", "GET", "http://" + rates + "/v1/rates/EUR", 200, true},
		{"refused by the gateway", "GET", "http://" + rates + "/v1/accounts", 403, true},
		{"another host", "POST", "http://" + pay + "/v1/charges", 403, false},
		{"an unknown host", "GET", "http://evil.example/v1/rates/EUR", 403, false},
		{"another method", "DELETE", "http://" + rates + "/v1/rates/EUR", 403, false},
		{"another path", "GET", "http://" + rates + "/v2/rates", 403, false},
	}
	for _, test := range tests {
		for how, transport := range map[string]*http.Transport{
			"by host":  {},
			"as proxy": {Proxy: http.ProxyURL(proxy)},
		} {
			t.Run(test.name+" "+how, func(t *testing.T) {
				request, err := http.NewRequestWithContext(t.Context(), test.method, test.url, http.NoBody)
				require.NoError(t, err)
				if transport.Proxy == nil {
					request.URL.Host = proxy.Host
				}
				before := counter(t, gateway, "http.egress.downstream_rq_total")
				assert.Equal(t, test.want, send(t, transport, request))
				after := counter(t, gateway, "http.egress.downstream_rq_total")
				assert.Equal(t, test.reaches, after > before)
			})
		}
	}
	assert.EqualValues(t, 2, hosts[rates].requests.Load())
	assert.Zero(t, hosts[pay].requests.Load())
	last := hosts[rates].last.Load()
	assert.Equal(t, "/v1/rates/EUR", last.RequestURI)
	assert.Equal(t, rates, last.TLS.ServerName)

	t.Run("another gateway", func(t *testing.T) {
		impostor := httptest.NewUnstartedServer(http.NotFoundHandler())
		impostor.TLS = &tls.Config{Certificates: []tls.Certificate{credentials.KeyPair(mesh.Frontend).TLS}, NextProtos: []string{"h2"}}
		impostor.EnableHTTP2 = true
		impostor.Config.ErrorLog = quiet
		impostor.StartTLS()
		t.Cleanup(impostor.Close)
		sidecar := startOutbound(t, credentials, port(t, impostor.Listener.Addr().String()))
		url := "http://" + sidecar.Listener("outbound") + "/v1/rates/EUR"
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		request.Host = rates
		assert.Equal(t, http.StatusServiceUnavailable, send(t, &http.Transport{}, request))
	})
}

func startEgress(t *testing.T, credentials *configs.Credentials, hosts map[string]*externalHost) *envoy.Envoy {
	t.Helper()
	ports := map[int]int{15020: 0, 15443: 0, 9443: hosts[rates].port, 9444: hosts[pay].port}
	bootstrap, err := credentials.Render("egress-gateway.yaml", ports)
	require.NoError(t, err)
	return startEnvoy(t, bootstrap)
}

func startOutbound(t *testing.T, credentials *configs.Credentials, gateway int) *envoy.Envoy {
	t.Helper()
	bootstrap, err := credentials.Render("sidecar-outbound.yaml", map[int]int{15010: 0, 15011: 0, 15443: gateway})
	require.NoError(t, err)
	return startEnvoy(t, bootstrap)
}

// externalHost is a server outside the mesh.
type externalHost struct {
	port     int
	requests atomic.Int64
	last     atomic.Pointer[http.Request]
}

// quiet is for servers whose clients are meant to turn away.
var quiet = log.New(io.Discard, "", 0)

func startExternal(t *testing.T, ca *pki.CA, name string) *externalHost {
	t.Helper()
	pair, err := ca.Issue(pki.WithHosts(name))
	require.NoError(t, err)
	h := &externalHost{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		h.last.Store(r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair.TLS}}
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	h.port = port(t, server.Listener.Addr().String())
	return h
}

func keyPair(t *testing.T, credentials *configs.Credentials, workload string) *pki.KeyPair {
	t.Helper()
	if pair := credentials.KeyPair(workload); pair != nil {
		return pair
	}
	pair, err := credentials.CA.Issue(pki.WithIDs(configs.Egress))
	require.NoError(t, err)
	return pair
}

// send gives the status of the answer.
func send(t *testing.T, transport *http.Transport, request *http.Request) int {
	t.Helper()
	transport.DisableKeepAlives = true
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

func counter(t *testing.T, e *envoy.Envoy, name string) int {
	t.Helper()
	value, err := e.Stat(t.Context(), name)
	require.NoError(t, err)
	return value
}
