package e2e

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/configs"
	"github.com/palisade-mesh/palisade/e2e/envoy"
)

const wafConfig = `{"profile": "crs-pl1", "audit": {"log": "denied"}}`

// leaky is an upstream whose answers may be what a rule looks for.
func leaky(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("x-body", strconv.Itoa(len(body)))
	switch r.URL.Path {
	case "/leak":
		w.Header().Set("content-type", "text/html")
		_, _ = io.WriteString(w, "<b>Fatal error</b>: You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version")
	case "/stream":
		w.Header().Set("content-type", "text/event-stream")
		for i := range 3 {
			_, _ = io.WriteString(w, "data: "+strconv.Itoa(i)+"\n\n")
			w.(http.Flusher).Flush()
		}
	}
}

func startWAF(t *testing.T, config string) *envoy.Envoy {
	t.Helper()
	e := startEnvoyWith(t, envoy.Options{Bootstrap: render(t, envoy.Bootstrap{
		Clusters:  []envoy.Cluster{{Name: "upstream", Host: "127.0.0.1", Port: serve(t, http.HandlerFunc(leaky), false)}},
		Listeners: []envoy.Listener{{Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{{Name: "waf-filter", Config: config}}}},
	})})
	return e
}

// The Core Rule Set looks at each part of a request, with real bodies in a real proxy.
func TestWAF(t *testing.T) {
	e := startWAF(t, wafConfig)
	send := func(method, path, contentType, body string) (reply, error) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.Listener("inbound")+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("user-agent", "Mozilla/5.0")
		request.Header.Set("accept", "*/*")
		if contentType != "" {
			request.Header.Set("content-type", contentType)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return reply{}, err
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		return reply{response.StatusCode, response.Header, string(content)}, err
	}
	const form, json = "application/x-www-form-urlencoded", "application/json"
	for name, c := range map[string]struct {
		method, path, contentType, body string
		want                            int
	}{
		"harmless":                {"GET", "/?q=shoes", "", "", 200},
		"injection in the query":  {"GET", "/?q=1'+OR+1=1--", "", "", 403},
		"harmless form":           {"POST", "/", form, "a=1&b=two+words", 200},
		"injection in a form":     {"POST", "/", form, "a=1&b=1'+OR+1=1--", 403},
		"harmless JSON":           {"POST", "/", json, `{"a": [1, "two", {"b": null}]}`, 200},
		"script in JSON":          {"POST", "/", json, `{"a": [1, "two", {"b": "<script>alert(1)</script>"}]}`, 403},
		"a large harmless body":   {"POST", "/", json, `{"a": "` + strings.Repeat("lorem ipsum ", 8000) + `"}`, 200},
		"an attack at its end":    {"POST", "/", json, `{"a": "` + strings.Repeat("lorem ipsum ", 8000) + `", "b": "1' OR 1=1--"}`, 403},
		"server-sent events":      {"GET", "/stream", "", "", 200},
		"path into another place": {"GET", "/?f=../../../../etc/passwd", "", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := send(c.method, c.path, c.contentType, c.body)
			require.NoError(t, err)
			require.Equal(t, c.want, answer.status, answer.body)
			if c.want == http.StatusOK {
				assert.Equal(t, strconv.Itoa(len(c.body)), answer.header.Get("x-body"), "the upstream has all of it")
			} else {
				assert.Equal(t, "application/problem+json", answer.header.Get("content-type"))
				assert.NotContains(t, answer.body, "SQL", "why is not for the attacker")
			}
		})
	}
	// An answer that leaks is cut off, because its headers are with the client by then; or refused, if they are not.
	answer, err := send("GET", "/leak", "", "")
	assert.True(t, err != nil || answer.status == http.StatusForbidden, "%v %v", err, answer)
	assert.NotContains(t, answer.body, "MySQL")

	metrics, err := e.Prometheus(t.Context())
	require.NoError(t, err)
	assert.True(t, strings.Contains(metrics, `palisade_decisions{filter="waf",effect="deny",policy="crs-pl1",mode="enforce"}`), ours(metrics))
	assert.True(t, strings.Contains(metrics, `palisade_waf_hits{`) && strings.Contains(metrics, `rule="942100"`), ours(metrics))
	line, err := e.Log().Line(t.Context(), "palisade-audit {")
	require.NoError(t, err)
	assert.Contains(t, line, `"filter":"waf"`)
}

// A directive that the engine does not accept refuses the configuration, with its place.
func TestWAFWrongDirective(t *testing.T) {
	_, err := tryEnvoy(t, envoy.Options{Bootstrap: render(t, envoy.Bootstrap{
		Clusters: []envoy.Cluster{startUpstream(t).Cluster("upstream")},
		Listeners: []envoy.Listener{{Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{{
			Name: "waf-filter", Config: `{"rules": ["SecRuleEngine On", "SecRule ARGS \"@nosuch x\" \"id:1,phase:1,deny\""]}`,
		}}}},
	})})
	refusal := refused(t, err)
	assert.Contains(t, refusal.Error()+refusal.Log, "$.rules[1]")
}

// testGatewayWAF has the internet send what it sends.
func testGatewayWAF(t *testing.T, credentials *configs.Credentials) {
	var served atomic.Int64
	frontend := startFrontend(t, credentials, func(*http.Request) { served.Add(1) })
	bootstrap, err := credentials.Render("gateway-waf.yaml", map[int]int{15060: 0, 8445: 0, 15016: frontend})
	require.NoError(t, err)
	gateway := startEnvoy(t, bootstrap)
	url := "https://" + gateway.Listener("internet")
	browser := http.Header{"User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}}
	for path, want := range map[string]int{
		"/records/42":                  http.StatusOK,
		"/records/42?q=1'+OR+1=1--":    http.StatusForbidden,
		"/search?q=1'+OR+1=1--":        http.StatusOK, // excluded
		"/search?other=1'+OR+1=1--":    http.StatusForbidden,
		"/search?q=<script>x</script>": http.StatusForbidden, // another attack than the excluded
	} {
		status, body := get(t, credentials.InternetTLS(), url+path, browser)
		assert.Equal(t, want, status, "%s: %s", path, body)
	}
	assert.EqualValues(t, 2, served.Load(), "a refused request must not reach the frontend")
	metrics, err := gateway.Prometheus(t.Context())
	require.NoError(t, err)
	assert.True(t, strings.Contains(metrics, `palisade_decisions{filter="waf",effect="deny",policy="crs-pl1",mode="enforce"} 3`), ours(metrics))
	assert.True(t, strings.Contains(metrics, `rule="942100",`), ours(metrics))
}

// A request in chunks is taken for one, although Envoy does not tell.
func TestWAFChunkedRequest(t *testing.T) {
	e := startWAF(t, `{"profile": "crs-pl1", "audit": {"log": "all"}}`)
	send := func(method string, body io.Reader) int {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.Listener("inbound")+"/", body)
		require.NoError(t, err)
		request.Header.Set("user-agent", "Mozilla/5.0")
		request.Header.Set("accept", "*/*")
		request.Header.Set("content-type", "application/json")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		return response.StatusCode
	}
	chunked := func() io.Reader { return io.MultiReader(strings.NewReader(`{"a":`), strings.NewReader(`"b"}`)) } // whose size nobody knows
	assert.Equal(t, http.StatusOK, send(http.MethodPost, strings.NewReader(`{"a":"b"}`)))
	assert.Equal(t, http.StatusOK, send(http.MethodPost, chunked()))
	assert.Equal(t, http.StatusForbidden, send(http.MethodGet, chunked()), "rule 920171")
	metrics, err := e.Prometheus(t.Context())
	require.NoError(t, err)
	assert.Contains(t, metrics, `rule="920171"`)
	assert.NotContains(t, metrics, `rule="920180"`)
}
