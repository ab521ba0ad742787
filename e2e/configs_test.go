package e2e

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/configs"
	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/mesh"
)

// configTests exercises every file in envoy-configs/.
var configTests = map[string]func(*testing.T, *configs.Credentials){
	"sidecar-inbound.yaml":   testSidecarInbound,
	"sidecar-palisade.yaml":  testSidecarPalisade,
	"gateway.yaml":           testGateway,
	"gateway-ratelimit.yaml": testGatewayRateLimit,
	"gateway-waf.yaml":       testGatewayWAF,
	"egress-gateway.yaml":    testEgressGateway,
	"sidecar-outbound.yaml":  testSidecarOutbound,
	"sidecar-jwt-authn.yaml": testSidecarJWTAuthn,
}

func TestConfigs(t *testing.T) {
	names, err := configs.Names()
	require.NoError(t, err)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			test, ok := configTests[name]
			require.True(t, ok, "no test exercises envoy-configs/%s", name)
			credentials, err := configs.Issue(t.TempDir())
			require.NoError(t, err)
			test(t, credentials)
		})
	}
}

// TestConfigsAsTheyAre has Envoy itself read the files. The tests above read
// them for it, and YAML is not the same to everybody: "on" is true to Envoy.
func TestConfigsAsTheyAre(t *testing.T) {
	names, err := configs.Names()
	require.NoError(t, err)
	root, err := envoy.ModuleRoot()
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = configs.Issue(filepath.Join(dir, "build", "certs"))
	require.NoError(t, err)
	for _, filter := range []string{"jwt-filter", "authz-filter", "ratelimit-filter", "waf-filter", "palisade-filter"} {
		file, err := envoy.WasmFile(filter)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(file, filepath.Join(dir, "build", filter+".wasm")))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			assert.NoError(t, envoy.Validate(t.Context(), dir, filepath.Join(root, "envoy-configs", name)))
		})
	}
}

func testSidecarInbound(t *testing.T, credentials *configs.Credentials) {
	testInbound(t, credentials, "sidecar-inbound.yaml", 15000, 15006)
}

func testSidecarJWTAuthn(t *testing.T, credentials *configs.Credentials) {
	testInbound(t, credentials, "sidecar-jwt-authn.yaml", 15030, 15036)
}

func testSidecarPalisade(t *testing.T, credentials *configs.Credentials) {
	sidecar := testInbound(t, credentials, "sidecar-palisade.yaml", 15070, 15076)
	url, backend := "https://"+sidecar.Listener("inbound")+"/records/42", credentials.ClientTLS(mesh.Backend, mesh.Database)
	statuses := map[int]int{}
	for range 25 {
		status, _ := get(t, backend, url, bearer(t, credentials, "read"))
		statuses[status]++
	}
	assert.Positive(t, statuses[http.StatusOK])
	assert.Positive(t, statuses[http.StatusTooManyRequests], "each user has 20 at once")
	assert.Len(t, statuses, 2)
}

// testInbound exercises a sidecar of the database, however it verifies tokens.
func testInbound(t *testing.T, credentials *configs.Credentials, name string, admin, inbound int) *envoy.Envoy {
	upstream := startUpstream(t)
	bootstrap, err := credentials.Render(name, map[int]int{admin: 0, inbound: 0, 8080: upstream.Port()})
	require.NoError(t, err)
	sidecar := startEnvoy(t, bootstrap)
	url := "https://" + sidecar.Listener("inbound") + "/records/42"
	backend := credentials.ClientTLS(mesh.Backend, mesh.Database)

	status, _ := get(t, backend, url, bearer(t, credentials, "read"))
	assert.Equal(t, http.StatusOK, status)
	status, _ = get(t, backend, url, bearer(t, credentials, "profile read"))
	assert.Equal(t, http.StatusOK, status)
	assert.EqualValues(t, 2, upstream.Requests())

	status, body := get(t, backend, url, bearer(t, credentials, "profile"))
	assert.Equal(t, http.StatusForbidden, status)
	assert.NotContains(t, body, "database-read", "only response.explain may name the policy")
	status, _ = get(t, credentials.ClientTLS(mesh.Frontend, mesh.Database), url, bearer(t, credentials, "read"))
	assert.Equal(t, http.StatusForbidden, status)
	status, _ = get(t, backend, url, nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.EqualValues(t, 2, upstream.Requests(), "a refused request must not reach the application")
	assert.NotContains(t, sidecar.Log().String()+sidecar.AccessLog().String(), elsewhere, "callers do not choose the address of the record")
	return sidecar
}

func testGateway(t *testing.T, credentials *configs.Credentials) {
	var token string
	frontend := startFrontend(t, credentials, func(r *http.Request) { token = r.Header.Get("authorization") })
	bootstrap, err := credentials.Render("gateway.yaml", map[int]int{15001: 0, 8443: 0, 15016: frontend, 18080: freePort(t)})
	require.NoError(t, err)
	url := "https://" + startEnvoy(t, bootstrap).Listener("internet")
	internet := credentials.InternetTLS()

	header := bearer(t, credentials, "profile")
	status, _ := get(t, internet, url+"/records/42", header)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, header.Get("authorization"), token, "the services behind the gateway need the token")

	token = ""
	status, _ = get(t, internet, url+"/admin", header)
	assert.Equal(t, http.StatusForbidden, status)
	status, _ = get(t, internet, url+"/records/42", nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Empty(t, token, "a refused request must not reach the frontend")
}

// startFrontend runs what is behind the gateway, and gives its port.
func startFrontend(t *testing.T, credentials *configs.Credentials, serve func(*http.Request)) int {
	t.Helper()
	frontend := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		serve(r)
		assert.Equal(t, mesh.ID(mesh.Gateway), r.TLS.PeerCertificates[0].URIs[0].String())
	}))
	frontend.TLS = &tls.Config{
		Certificates: []tls.Certificate{credentials.KeyPair(mesh.Frontend).TLS},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    credentials.CA.Pool(),
	}
	frontend.StartTLS()
	t.Cleanup(frontend.Close)
	return port(t, frontend.Listener.Addr().String())
}

// elsewhere is where callers say that they are.
const elsewhere = "203.0.113.7"

func bearer(t *testing.T, credentials *configs.Credentials, scope string) http.Header {
	t.Helper()
	token, err := credentials.Token(scope)
	require.NoError(t, err)
	return http.Header{"Authorization": {"Bearer " + token}, "X-Forwarded-For": {elsewhere}}
}
