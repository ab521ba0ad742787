package e2e

import (
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/configs"
)

// testGatewayRateLimit uses up each of the limits in turn. Something flows back
// meanwhile, the more the slower the test is.
func testGatewayRateLimit(t *testing.T, credentials *configs.Credentials) {
	var served atomic.Int64
	frontend := startFrontend(t, credentials, func(*http.Request) { served.Add(1) })
	bootstrap, err := credentials.Render("gateway-ratelimit.yaml", map[int]int{15050: 0, 8444: 0, 15016: frontend})
	require.NoError(t, err)
	gateway := startEnvoy(t, bootstrap)
	transport := &http.Transport{TLSClientConfig: credentials.InternetTLS()}
	t.Cleanup(transport.CloseIdleConnections)
	g := limitedGateway{
		url: "https://" + gateway.Listener("internet"), credentials: credentials,
		client: &http.Client{Transport: transport, Timeout: 10 * time.Second}, begin: time.Now(),
	}

	status, _ := get(t, credentials.InternetTLS(), g.url+"/records/42", nil)
	assert.Equal(t, http.StatusUnauthorized, status)

	g.refused(t, "alice", "per-user", 20, 6*time.Second, 0)
	answer := g.send(t, "bob")
	assert.Equal(t, http.StatusOK, answer.status, "another user has a bucket of his own")
	assert.Equal(t, "20", answer.header.Get("x-ratelimit-limit"))
	assert.Equal(t, []string{`"per-user";q=600;w=3600, "per-address";q=1200;w=3600`}, answer.header["Ratelimit-Policy"])
	g.refused(t, "batch", "per-user", 50, 100*time.Millisecond, 0)
	// Those before have taken some of what the address has.
	g.refused(t, "monitoring", "per-address", 150, 3*time.Second, int(served.Load()))
	answer = g.send(t, "bob")
	assert.Equal(t, http.StatusTooManyRequests, answer.status, "as of all others from there")
	assert.EqualValues(t, g.admitted, served.Load(), "a refused request must not reach the frontend")

	metrics, err := gateway.Prometheus(t.Context())
	require.NoError(t, err)
	for _, metric := range []string{
		`palisade_decisions{filter="ratelimit",effect="deny",policy="per-user",mode="enforce"} 2`,
		`palisade_decisions{filter="ratelimit",effect="deny",policy="per-address",mode="enforce"} 2`,
		`palisade_decisions{filter="ratelimit",effect="deny",policy="new-per-path",mode="dry-run"} `,
	} {
		assert.Contains(t, metrics, metric)
	}
}

// limitedGateway is the gateway with one client, who says each time that he is
// somebody else's neighbour.
type limitedGateway struct {
	url         string
	credentials *configs.Credentials
	client      *http.Client
	begin       time.Time
	requests    int
	admitted    int
}

// refused sends requests of a user until one is refused, which must be by this
// limit, after as many as its burst less what is used of it already, and what
// flows back of it, one in each interval.
func (g *limitedGateway) refused(t *testing.T, user, limit string, burst int, interval time.Duration, used int) {
	t.Helper()
	for admitted := used; ; admitted++ {
		answer := g.send(t, user)
		if answer.status == http.StatusOK {
			require.LessOrEqual(t, admitted+1, burst+int(time.Since(g.begin)/interval), "%s of %s", limit, user)
			continue
		}
		require.Equal(t, http.StatusTooManyRequests, answer.status)
		assert.GreaterOrEqual(t, admitted, burst, "%s of %s", limit, user)
		assert.Contains(t, answer.body, `the limit \"`+limit+`\" is used up`)
		after, err := strconv.Atoi(answer.header.Get("retry-after"))
		require.NoError(t, err)
		assert.Positive(t, after)
		assert.LessOrEqual(t, after, int((interval+time.Second-1)/time.Second))
		assert.Equal(t, "0", answer.header.Get("x-ratelimit-remaining"))
		return
	}
}

// reply is a response that was read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (g *limitedGateway) send(t *testing.T, user string) reply {
	t.Helper()
	token, err := g.credentials.TokenOf(user, "read")
	require.NoError(t, err)
	g.requests++
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/records/42", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("authorization", "Bearer "+token)
	request.Header.Set("x-forwarded-for", "203.0.113."+strconv.Itoa(g.requests%256))
	response, err := g.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if response.StatusCode == http.StatusOK {
		g.admitted++
	}
	return reply{response.StatusCode, response.Header, string(text)}
}
